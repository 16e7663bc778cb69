import { parseQuantity } from '../../domain/quantity.ts'
import type { Volume } from '../pod/pod.ts'
import { finding, type GreenroomRule, shapedPods } from './greenroom-rule.ts'

export const emptyDirSize: GreenroomRule = {
  rule: 'empty-dir-size',
  title: 'Size of emptyDir',
  fields: ['spec.volumes[*].emptyDir.sizeLimit'],
  allowed: "any size above 0; without one the volume gets the row's `emptyDirSizeLimit`",
  appliesTo: shapedPods,
  mode: 'always',
  mutated: 'yes',
  why: 'A volume without a limit can fill the disk of its node.',
  fix: 'Leave it out; the webhook sets it.',
  judge({ pod, row }) {
    const allowed = `a size above 0, such as ${row?.emptyDirSizeLimit}`
    return (pod.spec.volumes ?? []).flatMap(({ emptyDir }, index) =>
      isUnbounded(emptyDir)
        ? [finding(`spec.volumes[${index}].emptyDir.sizeLimit`, emptyDir.sizeLimit, allowed)]
        : [],
    )
  },
  mutate(draft, { row }) {
    const { volumes } = draft.spec
    if (!row || !volumes?.some(({ emptyDir }) => isUnbounded(emptyDir))) return
    const sizeLimit = row.emptyDirSizeLimit
    draft.assign(draft.spec, {
      volumes: volumes.map((volume) =>
        isUnbounded(volume.emptyDir) ? { ...volume, emptyDir: { ...volume.emptyDir, sizeLimit } } : volume,
      ),
    })
  },
}

/** To Kubernetes a size of 0 is no limit. */
function isUnbounded(emptyDir: Volume['emptyDir']): emptyDir is NonNullable<Volume['emptyDir']> {
  if (!emptyDir) return false
  return emptyDir.sizeLimit === undefined || (parseQuantity(emptyDir.sizeLimit) ?? 0n) <= 0n
}

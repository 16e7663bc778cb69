import type { Check } from '../judged-pod.ts'
import { violationOf } from '../violation.ts'

const allowedKinds = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'persistentVolumeClaim',
  'projected',
  'secret',
]

const rule = {
  rule: 'volume-kinds',
  allowed: allowedKinds.join(', '),
  fix: 'Use a volume of one of these kinds; the file system of the node is never one.',
}

/**
 * Pod Security Standard, baseline (hostPath) and restricted (volume types).
 * Fields: the kind of each `spec.volumes[*]`. Allowed: the kinds above and no other; a kind that this version does not
 * know is refused.
 */
export const checkVolumeKinds: Check = ({ pod }) =>
  (pod.spec.volumes ?? []).flatMap((volume, index) => {
    const kinds = Object.keys(volume).filter((key) => key !== 'name')
    const refused = kinds.filter((kind) => !allowedKinds.includes(kind))
    // No kind at all: the API makes it an emptyDir.
    if (refused.length === 0) return []
    return [violationOf(rule, `spec.volumes[${index}]`, refused[0])]
  })

import { violationOf } from '../pod/violation.ts'
import { restrictedVolumeKinds } from '../policy/policy-row.ts'
import type { Check } from './judged-pod.ts'

/**
 * Kinds of volumes that the row leaves of those that the restricted standard allows.
 * Fields: the kind of each `spec.volumes[*]`. Allowed: the row's `volumeKinds`.
 */
export const checkAllowedVolumes: Check = ({ pod, row }) => {
  if (!row || row.volumeKinds.length === restrictedVolumeKinds.length) return []
  const rule = {
    rule: 'allowed-volumes',
    allowed: row.volumeKinds.join(', '),
    fix: "Use a volume of one of these kinds, or add the kind to the row's volumeKinds.",
  }
  const refused = restrictedVolumeKinds.filter((kind) => !row.volumeKinds.includes(kind))
  return (pod.spec.volumes ?? []).flatMap((volume, index) => {
    const kind = refused.find((name) => name in volume)
    return kind ? [violationOf(rule, `spec.volumes[${index}]`, kind)] : []
  })
}

import { isUnbounded } from '../mutate/mutate-volumes.ts'
import { violationOf } from '../pod/violation.ts'
import type { Check } from './judged-pod.ts'

/**
 * A volume on the node's disk or in its memory has an end.
 * Fields: `spec.volumes[*].emptyDir.sizeLimit`. Allowed: any size above 0 (0 is no limit to Kubernetes).
 */
export const checkEmptyDirSize: Check = ({ pod, row }) => {
  if (!row) return []
  return (pod.spec.volumes ?? []).flatMap((volume, index) => {
    if (!isUnbounded(volume)) return []
    const rule = {
      rule: 'empty-dir-size',
      allowed: `a size above 0, such as ${row.emptyDirSizeLimit}`,
      fix: 'Leave it out; the webhook sets it.',
    }
    return [violationOf(rule, `spec.volumes[${index}].emptyDir.sizeLimit`, volume.emptyDir?.sizeLimit)]
  })
}

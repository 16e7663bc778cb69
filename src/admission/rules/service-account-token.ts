import { violationOf } from '../pod/violation.ts'
import type { Check } from './judged-pod.ts'

const automountRule = {
  rule: 'service-account-token',
  allowed: 'false',
  fix: 'Set automountServiceAccountToken to false: agents do not talk to the API server.',
}
const volumeRule = {
  rule: 'projected-token',
  allowed: 'no ServiceAccount token',
  fix: "Remove the projected token, or set automountServiceAccountToken in the agent type's row.",
}

/**
 * No ServiceAccount token in an agent whose row has `automountServiceAccountToken: false`.
 * Fields: `spec.automountServiceAccountToken`, `spec.volumes[*].projected.sources[*].serviceAccountToken` (rule
 * projected-token). Allowed: false; unset.
 */
export const checkServiceAccountToken: Check = ({ pod, row }) => {
  if (!row || row.automountServiceAccountToken) return []
  const automount = pod.spec.automountServiceAccountToken
  const tokens = (pod.spec.volumes ?? []).flatMap((volume, index) =>
    (volume.projected?.sources ?? []).some((source) => source.serviceAccountToken !== undefined)
      ? [violationOf(volumeRule, `spec.volumes[${index}].projected`, volume.name)]
      : [],
  )
  return automount === false
    ? tokens
    : [violationOf(automountRule, 'spec.automountServiceAccountToken', automount), ...tokens]
}

import { holdsToken } from '../pod/token-volume.ts'
import { finding, type GreenroomRule, shapedPods } from './greenroom-rule.ts'

export const projectedToken: GreenroomRule = {
  rule: 'projected-token',
  title: 'No token by another way',
  fields: ['spec.volumes[*].projected.sources[*].serviceAccountToken'],
  allowed: "unset, unless the row's `automountServiceAccountToken` is true",
  appliesTo: shapedPods,
  mode: 'always',
  mutated: 'no',
  why: 'A token that the author asks for is not taken away silently: the program would fail somewhere else.',
  fix: "Remove the projected token, or set automountServiceAccountToken in the agent type's row.",
  judge({ pod, row }) {
    if (!row || row.automountServiceAccountToken) return []
    return (pod.spec.volumes ?? []).flatMap((volume, index) =>
      holdsToken(volume)
        ? [finding(`spec.volumes[${index}].projected`, volume.name, 'no ServiceAccount token')]
        : [],
    )
  },
}

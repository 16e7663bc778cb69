import { parseQuantity } from '../../domain/quantity.ts'
import { type Finding, finding, type GreenroomRule, podsOfRows } from './greenroom-rule.ts'

const claim = 'ephemeral.volumeClaimTemplate.spec'

export const ephemeralClaims: GreenroomRule = {
  rule: 'ephemeral-claims',
  title: 'Storage that a pod claims itself',
  fields: [`spec.volumes[*].${claim}.{resources.requests.storage,storageClassName}`],
  allowed:
    "together at most `maxSize` of the row's `ephemeralClaims`, of one of its `storageClasses` where it lists them",
  appliesTo: podsOfRows,
  mode: 'settable',
  mutated: 'no',
  why: 'Every such volume is a new disk that somebody pays for.',
  fix: "Ask for less, or change the row's ephemeralClaims.",
  judge({ pod, row }) {
    if (!row) return []
    const { maxSize, storageClasses } = row.ephemeralClaims
    const most = parseQuantity(maxSize) ?? 0n
    let sum = 0n
    return (pod.spec.volumes ?? []).flatMap(({ ephemeral }, index): Finding[] => {
      if (!ephemeral) return []
      const { resources, storageClassName } = ephemeral.volumeClaimTemplate?.spec ?? {}
      const size = resources?.requests?.['storage']
      sum += parseQuantity(size ?? 0) ?? most + 1n
      const at = `spec.volumes[${index}].${claim}`
      const isNamed = storageClassName !== undefined && storageClasses?.includes(storageClassName)
      return [
        ...(sum > most
          ? [finding(`${at}.resources.requests.storage`, size, `${maxSize} for all such volumes together`)]
          : []),
        ...(storageClasses && !isNamed
          ? [finding(`${at}.storageClassName`, storageClassName, storageClasses.join(', '))]
          : []),
      ]
    })
  },
}

import type { TopologySpread } from '../pod/pod.ts'
import { sameValue } from '../pod/same-value.ts'
import { shown } from '../pod/violation.ts'
import type { PolicyTopologySpread } from '../policy/scheduling-settings.ts'
import { finding, type GreenroomRule, shapedPods } from './greenroom-rule.ts'

export const topologySpread: GreenroomRule = {
  rule: 'topology-spread',
  title: 'Topology spread',
  fields: ['spec.topologySpreadConstraints[*]'],
  allowed: "the row's among them; one of the same key takes the place of the pod's",
  appliesTo: shapedPods,
  mode: 'settable',
  mutated: 'yes',
  why: 'Agents of a type are spread, so that a node that is lost takes few of them.',
  fix: 'Leave it out; the webhook adds it.',
  judge: ({ pod, row }) =>
    (row?.topologySpread ?? []).flatMap((wanted) => {
      const found = (pod.spec.topologySpreadConstraints ?? []).find((given) => isSameSpread(given, wanted))
      if (found && sameValue(found, wanted)) return []
      return [finding('spec.topologySpreadConstraints', found, `constraints that hold ${shown(wanted)}`)]
    }),
  mutate(draft, { row }) {
    const wanted = row?.topologySpread ?? []
    if (wanted.length === 0) return
    const given = draft.spec.topologySpreadConstraints ?? []
    draft.assign(draft.spec, { topologySpreadConstraints: withSpread(given, wanted) })
  },
}

/** The API's own key of a constraint. */
function isSameSpread(a: TopologySpread, b: PolicyTopologySpread): boolean {
  return a.topologyKey === b.topologyKey && a.whenUnsatisfiable === b.whenUnsatisfiable
}

function withSpread(
  given: readonly TopologySpread[],
  wanted: readonly PolicyTopologySpread[],
): TopologySpread[] {
  const missing = wanted.filter((ours) => !given.some((other) => isSameSpread(other, ours)))
  return [
    ...given.map((one) => wanted.find((ours) => isSameSpread(one, ours)) ?? one),
    ...missing,
  ] as TopologySpread[]
}

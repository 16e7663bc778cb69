import type { Affinity, NodeSelectorTerm, PodSpec, Toleration, TopologySpread } from '../pod/pod.ts'
import { sameValue } from '../pod/same-value.ts'
import type { RowInForce } from '../policy/effective-row.ts'
import { isEnforced } from '../policy/modes.ts'
import type { PolicyDocument } from '../policy/policy-document.ts'
import type { MatchExpression, PolicyToleration, PolicyTopologySpread } from '../policy/policy-row.ts'

/** Where a pod may run and with which class: the fields of its spec that differ from the given ones. */
export function scheduledSpec(spec: PodSpec, row: RowInForce, policy: PolicyDocument): Partial<PodSpec> {
  const { nodeAffinity, tolerations, topologySpread } = row
  return {
    ...(nodeAffinity.length > 0 &&
      isEnforced('node-affinity', policy) && { affinity: withExpressions(spec.affinity, nodeAffinity) }),
    ...(tolerations.length > 0 &&
      isEnforced('tolerations', policy) && {
        tolerations: withTolerations(spec.tolerations ?? [], tolerations),
      }),
    ...(topologySpread.length > 0 &&
      isEnforced('topology-spread', policy) && {
        topologySpreadConstraints: withSpread(spec.topologySpreadConstraints ?? [], topologySpread),
      }),
  }
}

export function nodeSelectorTerms(affinity: Affinity | undefined): readonly NodeSelectorTerm[] {
  return affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? []
}

/** The wanted expressions that a term lacks. */
export function missingExpressions(
  term: NodeSelectorTerm,
  wanted: readonly MatchExpression[],
): readonly MatchExpression[] {
  const given = term.matchExpressions ?? []
  return wanted.filter((expression) => !given.some((other) => sameValue(other, expression)))
}

/** Terms are alternatives: the expressions go into each, or a pod could choose a term without them. */
function withExpressions(affinity: Affinity | undefined, wanted: readonly MatchExpression[]): Affinity {
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  const terms = nodeSelectorTerms(affinity)
  const nodeTerms = (terms.length > 0 ? terms : [{}]).map((term: NodeSelectorTerm) => ({
    ...term,
    matchExpressions: [
      ...(term.matchExpressions ?? []),
      ...missingExpressions(term, wanted).map((expression) => structuredCopy(expression)),
    ],
  }))
  return {
    ...affinity,
    nodeAffinity: {
      ...affinity?.nodeAffinity,
      requiredDuringSchedulingIgnoredDuringExecution: { ...required, nodeSelectorTerms: nodeTerms },
    },
  }
}

/** The table's own lists never become part of a pod: whoever changed the pod would change the table. */
function structuredCopy({ key, operator, values }: MatchExpression) {
  return { key, operator, ...(values && { values: [...values] }) }
}

export function hasToleration(given: readonly Toleration[], wanted: PolicyToleration): boolean {
  return given.some((toleration) => sameValue(normalized(toleration), normalized(wanted)))
}

/** Absent fields with the meaning that Kubernetes gives them. */
function normalized({
  key = '',
  operator = 'Equal',
  value = '',
  effect = '',
  tolerationSeconds,
}: Toleration) {
  return { key, operator, value, effect, tolerationSeconds }
}

function withTolerations(given: readonly Toleration[], wanted: readonly PolicyToleration[]): Toleration[] {
  return [
    ...given,
    ...wanted
      .filter((toleration) => !hasToleration(given, toleration))
      .map((toleration) => ({ ...toleration })),
  ]
}

/** The API's own key of a constraint. */
export function isSameSpread(a: TopologySpread, b: PolicyTopologySpread): boolean {
  return a.topologyKey === b.topologyKey && a.whenUnsatisfiable === b.whenUnsatisfiable
}

function withSpread(
  given: readonly TopologySpread[],
  wanted: readonly PolicyTopologySpread[],
): TopologySpread[] {
  const replaced = given.map((constraint) => {
    const ours = wanted.find((candidate) => isSameSpread(constraint, candidate))
    return ours && !sameValue(ours, constraint) ? (structuredClone(ours) as TopologySpread) : constraint
  })
  const missing = wanted.filter((candidate) => !given.some((other) => isSameSpread(other, candidate)))
  return [...replaced, ...missing.map((constraint) => structuredClone(constraint) as TopologySpread)]
}

import type { Affinity, NodeSelectorTerm } from '../pod/pod.ts'
import { sameValue } from '../pod/same-value.ts'
import { shown } from '../pod/violation.ts'
import type { MatchExpression } from '../policy/scheduling-settings.ts'
import { finding, type GreenroomRule, shapedPods } from './greenroom-rule.ts'

const termsPath =
  'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms'

export const nodeAffinity: GreenroomRule = {
  rule: 'node-affinity',
  title: 'Node affinity',
  fields: [`${termsPath}[*].matchExpressions[*]`],
  allowed: "at least one term, and the row's `nodeAffinity` in each",
  appliesTo: shapedPods,
  mode: 'settable',
  mutated: 'yes',
  why: 'Agents run on the nodes that the policy names; terms are alternatives, so each of the pod gets the expressions.',
  fix: 'Leave it out; the webhook adds it.',
  judge({ pod, row }) {
    if (!row || row.nodeAffinity.length === 0) return []
    const allowed = `terms that hold ${shown(row.nodeAffinity)}`
    const terms = nodeSelectorTerms(pod.spec.affinity)
    if (terms.length === 0) return [finding(termsPath, undefined, allowed)]
    return terms.flatMap((term, index) =>
      missingExpressions(term, row.nodeAffinity).length > 0
        ? [finding(`${termsPath}[${index}].matchExpressions`, term.matchExpressions, allowed)]
        : [],
    )
  },
  mutate(draft, { row }) {
    if (!row || row.nodeAffinity.length === 0) return
    draft.assign(draft.spec, { affinity: withExpressions(draft.spec.affinity, row.nodeAffinity) })
  },
}

function nodeSelectorTerms(affinity: Affinity | undefined): readonly NodeSelectorTerm[] {
  return affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? []
}

/** The wanted expressions that a term lacks. */
function missingExpressions(
  term: NodeSelectorTerm,
  wanted: readonly MatchExpression[],
): readonly MatchExpression[] {
  const given = term.matchExpressions ?? []
  return wanted.filter((expression) => !given.some((other) => sameValue(other, expression)))
}

function withExpressions(affinity: Affinity | undefined, wanted: readonly MatchExpression[]): Affinity {
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  const terms = nodeSelectorTerms(affinity)
  const nodeTerms = (terms.length > 0 ? terms : [{}]).map((term: NodeSelectorTerm) => ({
    ...term,
    matchExpressions: [...(term.matchExpressions ?? []), ...missingExpressions(term, wanted)],
  }))
  return {
    ...affinity,
    nodeAffinity: {
      ...affinity?.nodeAffinity,
      requiredDuringSchedulingIgnoredDuringExecution: { ...required, nodeSelectorTerms: nodeTerms },
    },
  }
}

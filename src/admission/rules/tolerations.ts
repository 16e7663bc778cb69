import type { Toleration } from '../pod/pod.ts'
import { sameValue } from '../pod/same-value.ts'
import { shown } from '../pod/violation.ts'
import type { PolicyToleration } from '../policy/scheduling-settings.ts'
import { finding, type GreenroomRule, shapedPods } from './greenroom-rule.ts'

export const tolerations: GreenroomRule = {
  rule: 'tolerations',
  title: 'Tolerations',
  fields: ['spec.tolerations[*]'],
  allowed: "the row's `tolerations` among them",
  appliesTo: shapedPods,
  mode: 'settable',
  mutated: 'yes',
  why: 'The nodes for agents are tainted against all others.',
  fix: 'Leave it out; the webhook adds it.',
  judge: ({ pod, row }) =>
    missing(pod.spec.tolerations, row?.tolerations).map((wanted) =>
      finding('spec.tolerations', pod.spec.tolerations, `a list that holds ${shown(wanted)}`),
    ),
  mutate(draft, { row }) {
    const given = draft.spec.tolerations ?? []
    const added = missing(given, row?.tolerations)
    if (added.length > 0) draft.assign(draft.spec, { tolerations: [...given, ...added] })
  },
}

function missing(
  given: readonly Toleration[] = [],
  wanted: readonly PolicyToleration[] = [],
): readonly PolicyToleration[] {
  if (wanted.length === 0) return wanted
  const present = given.map(normalized)
  return wanted.filter((toleration) => !present.some((other) => sameValue(other, normalized(toleration))))
}

/** Absent fields with the meaning that Kubernetes gives them. */
export function normalized(toleration: Toleration) {
  return { key: '', operator: 'Equal', value: '', effect: '', ...toleration }
}
export type Normalized = ReturnType<typeof normalized>

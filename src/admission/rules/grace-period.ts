import { finding, type GreenroomRule, shapedPods } from './greenroom-rule.ts'

export const gracePeriod: GreenroomRule = {
  rule: 'grace-period',
  title: 'Grace period',
  fields: ['spec.terminationGracePeriodSeconds'],
  allowed: "the row's `gracePeriodSeconds`",
  appliesTo: shapedPods,
  mode: 'settable',
  mutated: 'yes',
  why: 'The row of the agent type says how long an agent has to end its session.',
  fix: 'Leave it out; the agent type decides.',
  judge({ pod, row }) {
    const wanted = row?.gracePeriodSeconds
    const found = pod.spec.terminationGracePeriodSeconds
    return found === wanted ? [] : [finding('spec.terminationGracePeriodSeconds', found, `${wanted}`)]
  },
  mutate(draft, { row }) {
    if (row) draft.assign(draft.spec, { terminationGracePeriodSeconds: row.gracePeriodSeconds })
  },
}

import { finding, type GreenroomRule, shapedPods } from './greenroom-rule.ts'

export const priorityClass: GreenroomRule = {
  rule: 'priority-class',
  title: 'Priority class',
  fields: ['spec.priorityClassName', 'spec.priority', 'spec.preemptionPolicy'],
  allowed: "the row's `priorityClassName`, where it names one; the priority of another class is removed",
  appliesTo: shapedPods,
  mode: 'settable',
  mutated: 'yes',
  why: 'The row of the agent type names the priority class.',
  fix: 'Leave it out; the webhook sets it.',
  judge({ pod, row }) {
    const wanted = row?.priorityClassName
    const found = pod.spec.priorityClassName
    return wanted === undefined || found === wanted ? [] : [finding('spec.priorityClassName', found, wanted)]
  },
  /** A plugin worked priority and policy out from the former class, and would refuse the new class with them. */
  mutate(draft, { row }) {
    const { spec } = draft
    const { priorityClassName } = row ?? {}
    if (priorityClassName === undefined || priorityClassName === spec.priorityClassName) return
    draft.assign(spec, { priorityClassName })
    draft.remove(spec, 'priority')
    draft.remove(spec, 'preemptionPolicy')
  },
}

import { finding, type GreenroomRule, shapedPods } from './greenroom-rule.ts'

export const runtimeClass: GreenroomRule = {
  rule: 'runtime-class',
  title: 'Runtime class',
  fields: ['spec.runtimeClassName', 'spec.overhead'],
  allowed: "the row's `runtimeClassName`, where it names one; the overhead of another class is removed",
  appliesTo: shapedPods,
  mode: 'settable',
  mutated: 'yes',
  why: 'The row of the agent type names the runtime class.',
  fix: 'Leave it out; the webhook sets it.',
  judge({ pod, row }) {
    const wanted = row?.runtimeClassName
    const found = pod.spec.runtimeClassName
    return wanted === undefined || found === wanted ? [] : [finding('spec.runtimeClassName', found, wanted)]
  },
  /**
   * A plugin worked the overhead out from the former class. When it looks again it would refuse the new class with that
   * overhead. Of the same class the overhead stays, because no plugin runs a third time.
   */
  mutate(draft, { row }) {
    const { spec } = draft
    const { runtimeClassName } = row ?? {}
    if (runtimeClassName === undefined || runtimeClassName === spec.runtimeClassName) return
    draft.assign(spec, { runtimeClassName })
    draft.remove(spec, 'overhead')
  },
}

import type { Pod } from '../pod/pod.ts'
import { type Finding, finding, type GreenroomRule, podsOfRows } from './greenroom-rule.ts'

const systemPrefix = 'system-'

/** Rule priority-class imposes the row's class. This one bounds the author's choice where the row names none. */
export const systemPriority: GreenroomRule = {
  rule: 'system-priority',
  title: "The cluster's own priority classes",
  fields: ['spec.priorityClassName'],
  allowed: `no class whose name begins with \`${systemPrefix}\`, unless the row's \`priorityClassName\` is that class`,
  appliesTo: podsOfRows,
  mode: 'settable',
  mutated: 'no',
  why: 'Pods of these classes push every other pod off its node and are never pushed off themselves.',
  fix: "Use another class, or name it in the row's priorityClassName.",
  judge: ({ pod, row }) => systemClass(pod, row?.priorityClassName),
}

export function systemClass({ spec }: Pod, allowed: string | undefined): Finding[] {
  const { priorityClassName: found = '' } = spec
  if (!found.startsWith(systemPrefix) || found === allowed) return []
  return [finding('spec.priorityClassName', found, `none that begins with ${systemPrefix}`)]
}

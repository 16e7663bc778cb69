import { mostContainers, mostValues } from '../pod/pod-size.ts'
import type { Violation } from '../pod/violation.ts'
import { everyPod, type GreenroomRule, violationBy } from './greenroom-rule.ts'

/** Judged by the decoder: there is nothing to give to a judge. */
export const malformed: GreenroomRule = {
  rule: 'malformed',
  title: 'A pod that can be read',
  fields: ['metadata', 'spec'],
  allowed: `a pod of v1 with at most ${mostContainers} containers and ${mostValues} values in \`metadata\` and \`spec\``,
  appliesTo: everyPod,
  mode: 'always',
  mutated: 'no',
  why: 'What cannot be read cannot be judged, and a pod that takes seconds would keep all others waiting.',
  fix: '',
}

/** The violation of an object that cannot be read; `problems` name its fields. */
export function malformedObject(problems: readonly string[]): Violation {
  const { allowed } = malformed
  const fix = problems.slice(0, 3).join('; ')
  return violationBy(malformed, { path: 'object', found: 'not a pod that can be judged', allowed, fix })
}

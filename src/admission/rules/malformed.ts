import type { Violation } from '../pod/violation.ts'
import { everyPod, type GreenroomRule, violationBy } from './greenroom-rule.ts'

/** Judged by the decoder: there is nothing to give to a judge. */
export const malformed: GreenroomRule = {
  rule: 'malformed',
  title: 'A pod that can be read',
  fields: ['metadata', 'spec'],
  allowed: 'a pod of v1',
  appliesTo: everyPod,
  mode: 'always',
  mutated: 'no',
  why: 'What cannot be read cannot be judged.',
  fix: '',
}

/** The violation of an object that cannot be read; `problems` name its fields. */
export function malformedObject(problems: readonly string[]): Violation {
  const { allowed } = malformed
  const fix = problems.slice(0, 3).join('; ')
  return violationBy(malformed, { path: 'object', found: 'not a pod that can be judged', allowed, fix })
}

import type { Violation } from '../pod/violation.ts'
import type { AdmissionContext } from './admission-context.ts'
import { kindOf, violationBy } from './greenroom-rule.ts'
import { greenroomRules } from './greenroom-rules.ts'

/** The rules that hold in a namespace of the roll-out too, or Greenroom's pools would not be its own. */
const guards = greenroomRules.filter(({ guardsGreenroom }) => guardsGreenroom)
const names: ReadonlySet<string> = new Set(guards.map(({ rule }) => rule))

export function isGuarding({ rule }: Violation): boolean {
  return names.has(rule)
}

/** What they find. No other rule's violation at the same field hides one of theirs. */
export function judgeGuards(context: AdmissionContext): Violation[] {
  const kind = kindOf(context.podClass)
  return guards
    .filter(({ appliesTo }) => appliesTo.includes(kind))
    .flatMap((rule) => (rule.judge?.(context) ?? []).map((found) => violationBy(rule, found)))
}

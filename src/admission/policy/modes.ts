import type { Mode, Violation } from '../pod/violation.ts'
import type { PolicyDocument } from './policy-document.ts'

/** True if the policy lets this rule change and deny pods. A rule that only warns or audits does neither. */
export function isEnforced(rule: string, { modes }: PolicyDocument): boolean {
  return modeOf(rule, modes) === 'enforce'
}

/** The violation with its rule's mode, if that is not `enforce`. */
export function withMode(violation: Violation, { modes }: PolicyDocument): Violation {
  const mode = modeOf(violation.rule, modes)
  return mode === 'enforce' ? violation : { ...violation, mode }
}

function modeOf(rule: string, modes: PolicyDocument['modes']): Mode {
  // hasOwn: the document's keys are checked, but a rule must never find something on the prototype.
  return Object.hasOwn(modes, rule) ? (modes[rule] ?? 'enforce') : 'enforce'
}

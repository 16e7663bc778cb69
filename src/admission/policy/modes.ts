import type { Violation } from '../pod/violation.ts'
import type { Mode, PolicyDocument } from './policy-document.ts'

/**
 * The rules whose mode a policy may set. Every other is always enforced: Pod Security Standard restricted, limits,
 * secrets, ServiceAccounts, ownership of labels, the agent type, the shape of Greenroom's components.
 */
export const settableRules = [
  'allowed-volumes',
  'app-label',
  'grace-period',
  'images',
  'node-affinity',
  'priority-class',
  'probes',
  'read-only-root',
  'runtime-class',
  'tolerations',
  'topology-spread',
  'user-ids',
  'writable-paths',
] as const
export type SettableRule = (typeof settableRules)[number]

/** A rule that only warns or audits changes nothing in a pod either: what it would have done is told, not done. */
export function isEnforced(rule: SettableRule, { modes }: PolicyDocument): boolean {
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

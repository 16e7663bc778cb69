import type { ErrorCode } from '../../errors.ts'

/** How strictly a rule is kept. Only `enforce` changes and denies pods. */
export const modes = ['enforce', 'warn', 'audit'] as const
export type Mode = (typeof modes)[number]

/** One breach of the policy. Never carries the value of an env variable or a secret. */
export interface Violation {
  /** Bounded set of names: a metric label. */
  readonly rule: string
  readonly code: ErrorCode
  /** Field path as Kubernetes writes it: `spec.containers[0].securityContext.privileged`. */
  readonly path: string
  readonly found: string
  readonly allowed: string
  /** The way out, one sentence. */
  readonly fix: string
  /** Replaces found, allowed and fix in messages, where the check has a sentence of its own. */
  readonly sentence?: string
  /** The mode of the rule; absent: enforce. */
  readonly mode?: Mode
}

/** What one check says in all of its violations. */
export interface Rule {
  readonly rule: string
  readonly allowed: string
  readonly fix: string
}

/** A violation of a rule of the policy at one field. */
export function violationOf(rule: Rule, path: string, found: unknown): Violation {
  return { ...rule, code: 'GRN_POLICY_VIOLATION', path, found: shown(found) }
}

/** One line for people: code, field, what is there, what may be there, what to do. */
export function describeViolation({ rule, code, path, found, allowed, fix, sentence }: Violation): string {
  if (sentence !== undefined) return `${code}: ${sentence} (rule ${rule})`
  return `${code}: ${shownPath(path)} is ${found}; allowed: ${allowed}. ${fix} (rule ${rule})`
}

/** Longer than any path of fields that Kubernetes takes: the author of a pod writes the names in it. */
const pathLength = 400

/** How a path is shown, in messages and in the log. */
export function shownPath(path: string): string {
  return path.length > pathLength ? `${path.slice(0, pathLength)}…` : path
}

/** Longest value quoted in a message: enough to recognise it, too short to flood a terminal. */
const quotedLength = 80

/** True if `shown` has left out a part of the value: two that are shown alike may differ. */
export function isCut(text: string): boolean {
  return text.endsWith('…')
}

/** How a found value is shown. */
export function shown(value: unknown): string {
  const json = value === undefined ? 'unset' : JSON.stringify(value)
  return json.length > quotedLength ? `${json.slice(0, quotedLength)}…` : json
}

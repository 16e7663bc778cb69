import type { PatchOperation } from '../mutate/pod-patch.ts'
import { describeViolation, type Violation } from '../pod/violation.ts'
import { isGuarding } from '../rules/judge-guards.ts'
import type { Answer, Patched } from './admission-review.ts'

/** How the violations of one review become its answer. */

/** Answered if nothing denies. */
type Outcome = { readonly kind: 'allowed' } | (Patched & Pick<Answer, 'warnings'>)

/** Enforced violations deny; `warn` ones become warnings, `audit` ones audit annotations; all are counted. */
export function verdict(found: readonly Violation[], outcome: Outcome): Answer {
  const enforced = found.filter(({ mode }) => mode === undefined)
  const remarks = remarksOn(found.filter(({ mode }) => mode !== undefined))
  return enforced.length > 0
    ? { kind: 'denied', violations: enforced, ...remarks }
    : { ...outcome, ...remarks, ...warningsOf(outcome, remarks) }
}

/** Reasons that somebody asked for come after what is wrong. */
function warningsOf(outcome: Outcome, { warnings = [] }: Pick<Answer, 'warnings'>): Pick<Answer, 'warnings'> {
  const all = [...warnings, ...('warnings' in outcome ? (outcome.warnings ?? []) : [])]
  return all.length > 0 ? { warnings: all } : {}
}

function remarksOn(noted: readonly Violation[]): Pick<Answer, 'warnings' | 'audit' | 'noted'> {
  if (noted.length === 0) return {}
  return {
    warnings: noted
      .filter(({ mode }) => mode === 'warn')
      .map((violation) => `${describeViolation(violation)}`),
    audit: { [notEnforced]: listed(noted) },
    noted,
  }
}

/** Audit annotation: rules and paths that were broken without being enforced; never a value. */
const notEnforced = 'not-enforced'

/** Most violations in an annotation: enough to see what is wrong, without flooding the audit log. */
const listedViolations = 20

function listed(noted: readonly Violation[]): string {
  const entries = noted.slice(0, listedViolations).map(({ rule, path }) => `${rule} ${path}`)
  const more = noted.length - entries.length
  return [...entries, ...(more > 0 ? [`${more} more`] : [])].join('; ')
}

/**
 * The answer in a namespace of the roll-out: nothing is changed or denied, and the answer tells what would be. `patch` is
 * what mutation would have done.
 */
export function rolloutVerdict(
  found: readonly Violation[],
  patch: readonly PatchOperation[],
  namespace: string,
): Answer {
  const denying = found.filter(isGuarding)
  if (denying.length > 0) return { kind: 'denied', violations: denying }
  const noted = found.map((violation): Violation => ({ ...violation, mode: violation.mode ?? 'audit' }))
  if (noted.length === 0 && patch.length === 0) return { kind: 'allowed' }
  const at = `not enforced in namespace ${namespace}`
  const changed = [...new Set(patch.map(({ path }) => path))].sort()
  const changes = `would change ${changed.slice(0, listedViolations).join(', ')}`
  return {
    kind: 'allowed',
    warnings: [
      ...noted.map((violation) => `${at}: ${describeViolation(violation)}`),
      ...(changed.length > 0 ? [`${at}: Greenroom ${changes}`] : []),
    ],
    audit: {
      [notEnforced]: [noted.length > 0 ? listed(noted) : '', changed.length > 0 ? changes : '']
        .filter((text) => text !== '')
        .join('; '),
    },
    noted,
  }
}

import type { ErrorCode } from '../errors.ts'
import type { LeaderFindings } from './leader-findings.ts'
import type { PoolReport } from './pool-report.ts'
import { findingCommand, partCommand, poolCommand } from './status-commands.ts'
import type { StatusPart, StatusPartName, StatusProblem } from './status-report.ts'

/** Old keys go by themselves within minutes of the last pod that needs them; sessions of a day are long. */
const oldKeysAfterMs = 24 * 3_600_000

const partProblems: Readonly<Record<StatusPartName, { readonly code: ErrorCode; readonly what: string }>> = {
  kubernetes: {
    code: 'GRN_KUBERNETES_UNAVAILABLE',
    what: 'Kubernetes cannot be watched: warm claims go on, and no pod is made or replaced.',
  },
  postgresql: {
    code: 'GRN_DATABASE_UNAVAILABLE',
    what: 'PostgreSQL does not serve: no session can be opened, renewed or ended.',
  },
  redis: {
    code: 'GRN_REDIS_UNAVAILABLE',
    what: 'Redis does not serve as it should: claims go on, and each replica has a queue of its own.',
  },
  livekit: {
    code: 'GRN_LIVEKIT_UNAVAILABLE',
    what: 'LiveKit does not answer: sessions open, and nobody can join their rooms.',
  },
  webhook: {
    code: 'GRN_WEBHOOK_UNAVAILABLE',
    what: 'The admission webhook does not serve as it should: without a replica that is ready no pod is made.',
  },
  'webhook-certificate': {
    code: 'GRN_CERTIFICATE_ENDS',
    what: 'The certificate of the admission webhook is not as it should be: without a valid one no pod is made.',
  },
  controller: {
    code: 'GRN_NO_LEADER',
    what: 'No controller is known to lead: without one no pool is refilled and no lapsed session ends.',
  },
  'agent-policy': {
    code: 'GRN_INVALID_POLICY',
    what: 'The newest agent-policy is not known to be in force.',
  },
  'agent-pools': {
    code: 'GRN_INVALID_POOLS',
    what: 'The newest agent-pools is not known to be in force.',
  },
}

export interface UnreadFacts {
  readonly subject: string
  readonly reason: string
  /** Epoch ms. */
  readonly since: number
}

export interface StatusFacts {
  readonly parts: readonly StatusPart[]
  /** What could be read of them. */
  readonly pools: readonly PoolReport[]
  /** What could not be read, so that its problems are not known. */
  readonly unread: readonly UnreadFacts[]
  /** Of the controller that leads; undefined if none is known. */
  readonly findings: LeaderFindings | undefined
  readonly namespace: string
  /** Epoch ms. */
  readonly now: number
}

/** What needs attention: parts first, for they explain much of the rest; then what the leader found, then pools. */
export function statusProblems(facts: StatusFacts): StatusProblem[] {
  const ofParts = facts.parts.flatMap((part) => partProblem(part, facts.namespace))
  // Without PostgreSQL nothing of this can be read, and one line says so.
  const isExplained = ofParts.some(({ subject }) => subject === 'postgresql')
  return [
    ...ofParts,
    ...(isExplained ? [] : facts.unread.map((unread) => unreadProblem(unread, facts.namespace))),
    ...(facts.findings ? findingProblems(facts.findings, facts) : []),
    ...facts.pools.flatMap((pool) => poolProblems(pool, facts.namespace)),
  ]
}

function partProblem({ part, state, detail, since }: StatusPart, namespace: string): StatusProblem[] {
  if (state === 'ok' || state === 'off') return []
  const command = partCommand(part, namespace)
  return [{ ...partProblems[part], subject: part, cause: detail, command, since }]
}

function unreadProblem({ subject, reason, since }: UnreadFacts, namespace: string): StatusProblem {
  return {
    code: 'GRN_DATABASE_UNAVAILABLE',
    subject,
    what: `The ${subject} could not be read in time, so what is wrong with them is not known.`,
    cause: `${reason}.`,
    command: partCommand('postgresql', namespace),
    since: new Date(since).toISOString(),
  }
}

function poolProblems(pool: PoolReport, namespace: string): StatusProblem[] {
  const { agentType, problem, boundBy } = pool
  const subject = `pool ${agentType}`
  if (problem) {
    const { cause, message, remedy, since } = problem
    const what =
      cause === 'canary'
        ? `The roll-out of ${subject} has stopped at its canary.`
        : `The ${subject} does not get the pods that it wants.`
    const command = poolCommand(agentType, cause, namespace)
    return [{ code: cause, subject, what, cause: `${message.replace(/\.$/, '')}. ${remedy}`, command, since }]
  }
  if (boundBy !== 'quota') return []
  return [
    {
      code: 'quota',
      subject,
      what: `A ResourceQuota keeps the ${subject} below the size that it wants.`,
      cause: `The quotas of the namespace allow it ${pool.quotaPods ?? 'no more'} pods.`,
      command: poolCommand(agentType, 'quota', namespace),
    },
  ]
}

function findingProblems(
  { drift, broken, frozen, assignKeys, since }: LeaderFindings,
  { namespace, now }: StatusFacts,
): StatusProblem[] {
  const problems: (StatusProblem | false)[] = [
    Object.keys(broken).length > 0 && {
      code: 'GRN_INVARIANT_BROKEN',
      subject: 'invariants',
      what: 'Kubernetes, PostgreSQL and Redis say things of sessions and pods that must never be true together.',
      cause: `Broken: ${countsOf(broken)}.`,
      command: findingCommand('broken', namespace),
      since: since.broken,
    },
    frozen.length > 0 && {
      code: 'GRN_ABSENCE_FROZEN',
      subject: 'sessions',
      what: 'More live sessions seem to be lost than is credible, so none of them is ended.',
      cause: `Frozen: ${frozen.join(', ')}.`,
      command: findingCommand('frozen', namespace),
      since: since.frozen,
    },
    drift !== undefined &&
      drift.change + drift.deny > 0 && {
        code: 'GRN_ADMISSION_DRIFT',
        subject: 'agent pods',
        what: 'Pods run that the policy in force would not let in as they are.',
        cause: `The policy would change ${drift.change} of them and deny ${drift.deny}.`,
        command: findingCommand('drift', namespace),
        since: since.drift,
      },
    now - Date.parse(since['assign-keys'] ?? '') >= oldKeysAfterMs && {
      code: 'GRN_OLD_ASSIGN_KEYS',
      subject: 'assign keys',
      what: 'Old public assign keys are still needed a day after the rotation.',
      cause: `New pods get ${assignKeys} keys, because pods or session servers know only an old one.`,
      command: findingCommand('assign-keys', namespace),
      since: since['assign-keys'],
    },
  ]
  return problems.filter((problem) => problem !== false)
}

function countsOf(broken: Readonly<Record<string, number>>): string {
  return Object.entries(broken)
    .map(([kind, count]) => `${kind} (${count})`)
    .join(', ')
}

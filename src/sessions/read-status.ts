import type { LeaderReport } from '../domain/leader-findings.ts'
import type { PoolReport } from '../domain/pool-report.ts'
import { statusProblems, type UnreadFacts } from '../domain/status-problems.ts'
import type {
  StatusPart,
  StatusPartName,
  StatusPartState,
  StatusReport,
  StatusTotals,
} from '../domain/status-report.ts'
import { createSharedLook, type Look } from '../timing/shared-look.ts'
import type { ReadPools } from './read-pools.ts'

/** What one look at a part came to. `since` only where the part itself knows it. */
export type FoundPart = Omit<StatusPart, 'part' | 'since'> & { readonly since?: number | undefined }

/** How each part is asked. Whoever rejects, or answers too late, is `unknown`. */
export type StatusProbes = Readonly<Record<StatusPartName, (signal: AbortSignal) => Promise<FoundPart>>>

interface ReadStatusDeps {
  readonly probes: StatusProbes
  readonly readPools: Pick<ReadPools, 'all'>
  /** undefined: nobody has led yet. */
  readonly readLeader: () => Promise<LeaderReport | undefined>
  /** Sessions that are not ENDED; of one project, or of all. */
  readonly countSessions: (projectId: string | undefined) => Promise<number>
  /** Agent types of the document in force: the number of pools, even when nothing else can be read. */
  readonly poolCount: () => number
  readonly namespace: string
  /** Epoch ms. */
  readonly clock: () => number
}

/** A page that waits longer for one part seems broken as a whole. */
const withinMs = 1_000
/** A hundred open pages cost each part one question in this time. */
const keptMs = 1_500
/** What a leader noted that has written nothing for so long may be over. It writes every 5 s. */
export const leaderSilentMs = 30_000
/** Projects whose sessions are counted at a time; beyond it the oldest is forgotten and counted anew. */
const mostProjects = 1_000

/** GET /v1/status. Each part is asked on its own, so that one that hangs delays nothing but its own line. */
export function createReadStatus(deps: ReadStatusDeps) {
  const { readPools, readLeader, countSessions, poolCount, namespace, clock } = deps
  const shared = <T>(ask: (signal: AbortSignal) => Promise<T>) =>
    createSharedLook({ ask, withinMs, keptMs, now: clock })
  const names = Object.keys(deps.probes) as StatusPartName[]
  const looks = new Map(names.map((name) => [name, shared(deps.probes[name])]))
  const lookAtPools = shared(() => readPools.all())
  const lookAtLeader = shared(readLeader)
  const counters = new Map<string | undefined, () => Promise<Look<number>>>()
  const spells = new Map<StatusPartName, { readonly state: StatusPartState; readonly since: number }>()

  async function part(name: StatusPartName, look: () => Promise<Look<FoundPart>>): Promise<StatusPart> {
    const found = await look()
    if (found.kind === 'failed')
      return withSpell(name, { state: 'unknown', detail: `Not known: ${found.reason}.`, since: found.since })
    return withSpell(name, found.value)
  }

  /** Since when this replica has seen this state. A part that knows better says so itself. */
  function withSpell(name: StatusPartName, { since, ...found }: FoundPart): StatusPart {
    const before = spells.get(name)
    const spell = before?.state === found.state ? before : { state: found.state, since: clock() }
    spells.set(name, spell)
    if (found.state === 'ok' || found.state === 'off') return { part: name, ...found }
    return { part: name, ...found, since: new Date(since ?? spell.since).toISOString() }
  }

  function countOf(projectId: string | undefined): Promise<Look<number>> {
    const known = counters.get(projectId)
    if (known) return known()
    const counter = shared(() => countSessions(projectId))
    const [oldest] = counters.keys()
    if (counters.size >= mostProjects) counters.delete(oldest)
    counters.set(projectId, counter)
    return counter()
  }

  return async function readStatus(projectId: string | undefined): Promise<StatusReport> {
    const [parts, pools, leader, sessions] = await Promise.all([
      Promise.all([...looks].map(([name, look]) => part(name, look))),
      lookAtPools(),
      lookAtLeader(),
      countOf(projectId),
    ])
    const now = clock()
    const report = leader.kind === 'seen' ? leader.value : undefined
    const isPresent = report !== undefined && report.ageMs < leaderSilentMs
    const problems = statusProblems({
      parts,
      pools: pools.kind === 'seen' ? pools.value : [],
      unread: [unreadOf('pools', pools), unreadOf('findings of the controller', leader)].filter(
        (unread) => unread !== undefined,
      ),
      findings: isPresent ? report.findings : undefined,
      namespace,
      now,
    })
    const seesAll = projectId === undefined
    return {
      at: new Date(now).toISOString(),
      state: problems.length > 0 ? 'attention' : 'ok',
      parts: seesAll ? parts : parts.map(forProject),
      problems: seesAll ? problems : [],
      totals: {
        ...totalsOf(pools, poolCount),
        sessions: sessions.kind === 'seen' ? sessions.value : undefined,
      },
    }
  }
}

export type ReadStatus = ReturnType<typeof createReadStatus>

function unreadOf(subject: string, look: Look<unknown>): UnreadFacts | undefined {
  return look.kind === 'failed' ? { subject, reason: look.reason, since: look.since } : undefined
}

/** A project sees whether a part serves. Why it does not names addresses and pods, which are the operator's. */
function forProject({ part, state, since }: StatusPart): StatusPart {
  return { part, state, detail: projectDetails[state], since }
}

const projectDetails: Readonly<Record<StatusPartState, string>> = {
  ok: 'Serves.',
  degraded: 'Serves in part.',
  down: 'Does not serve.',
  unknown: 'Not known.',
  off: 'Not used.',
}

function totalsOf(
  pools: Look<readonly PoolReport[]>,
  poolCount: () => number,
): Omit<StatusTotals, 'sessions'> {
  if (pools.kind === 'failed') return { pools: poolCount() }
  const sum = (count: (pool: PoolReport) => number): number =>
    pools.value.reduce((total, pool) => total + count(pool), 0)
  return {
    pools: pools.value.length,
    idle: sum(({ ready }) => ready),
    warming: sum(({ warming }) => warming),
    claimed: sum(({ claimed }) => claimed),
    waiting: sum(({ waiting }) => waiting),
  }
}

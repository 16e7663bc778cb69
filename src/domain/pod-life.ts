/** The time of one pod of a pool, as `pod_lives` keeps it. Times are epoch ms. */
export interface PodLife {
  readonly agentType: string
  readonly createdAt: number
  readonly readyAt: number | undefined
  /** undefined while the pod exists. */
  readonly goneAt: number | undefined
  /** By how much `createdAt` and `goneAt` may be wrong together, ms. */
  readonly inexactMs: number
  readonly use: PodUse | undefined
}

/** The session that was ACTIVE on the pod. */
export interface PodUse {
  readonly projectId: string | undefined
  /** When it claimed the pod. */
  readonly claimedAt: number
  /** When it was ENDED; undefined until then. */
  readonly releasedAt: number | undefined
}

/** [from, to), epoch ms. */
export interface UsageWindow {
  readonly from: number
  readonly to: number
}

/** What the pods of one pool did for one project in a window. Pods without a session have no project. */
export interface UsageSum {
  readonly agentType: string
  readonly projectId: string | undefined
  /** Sessions that had a pod in the window. */
  readonly sessions: number
  readonly sessionMs: number
  /** Everything, session and idle. */
  readonly podMs: number
  /** The part of the idle time before the pods were Ready. */
  readonly startingMs: number
  /** By how much podMs may be wrong. */
  readonly inexactMs: number
}

/**
 * Cuts lives to the window and adds them up, in the order of their first life. PostgreSQL does the same with its rows; a
 * test holds the two together. A session's time runs from its claim to its end, within the life of its pod.
 */
export function sumLives(lives: readonly PodLife[], window: UsageWindow): UsageSum[] {
  const sums = new Map<string, UsageSum>()
  for (const life of lives) {
    const part = partOf(life, window)
    if (!part) continue
    const key = JSON.stringify([part.agentType, part.projectId])
    const sum = sums.get(key)
    sums.set(key, sum ? added(sum, part) : part)
  }
  return [...sums.values()]
}

/** undefined for a life outside the window. */
function partOf({ agentType, createdAt, readyAt, goneAt, inexactMs, use }: PodLife, window: UsageWindow) {
  const born = Math.max(createdAt, window.from)
  const died = Math.min(goneAt ?? window.to, window.to)
  if (died <= born) return undefined
  const taken = use ? Math.max(use.claimedAt, born) : died
  const freed = use ? Math.min(use.releasedAt ?? died, died) : died
  const sessionMs = Math.max(0, freed - taken)
  return {
    agentType,
    projectId: use?.projectId,
    sessions: sessionMs > 0 ? 1 : 0,
    sessionMs,
    podMs: died - born,
    startingMs: Math.max(0, Math.min(readyAt ?? died, taken, died) - born),
    inexactMs: Math.min(inexactMs, died - born),
  }
}

function added(a: UsageSum, b: UsageSum): UsageSum {
  return {
    ...a,
    sessions: a.sessions + b.sessions,
    sessionMs: a.sessionMs + b.sessionMs,
    podMs: a.podMs + b.podMs,
    startingMs: a.startingMs + b.startingMs,
    inexactMs: a.inexactMs + b.inexactMs,
  }
}

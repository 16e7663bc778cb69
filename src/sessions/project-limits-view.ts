import type { AuditActor } from '../domain/audit.ts'
import type { WakeBus } from '../domain/index-ports.ts'
import type { LimitedProject, ProjectLimitStore, ProjectLimits } from '../domain/project-limits.ts'

/** Without Redis no wake-up tells of a change, and it must be in force within 10 s. */
const lookEveryMs = 5_000

interface ProjectLimitsDeps {
  readonly store: ProjectLimitStore
  readonly wakes: Pick<WakeBus, 'publish' | 'subscribe'>
  /** Monotonic milliseconds. */
  readonly now: () => number
}

/** The limits of all projects as this replica remembers them, and their changes. */
export function createProjectLimits({ store, wakes, now }: ProjectLimitsDeps) {
  let known: ReadonlyMap<string, ProjectLimits> = new Map()
  let isStale = true
  let readAt = Number.NEGATIVE_INFINITY
  let reading: Promise<void> | undefined

  /** One read at a time. A change during a read is seen by the next one. */
  async function read(): Promise<void> {
    while (isStale) {
      isStale = false
      try {
        known = await store.all()
        readAt = now()
      } catch (error) {
        isStale = true
        throw error
      }
    }
  }

  function refresh(): Promise<void> {
    isStale = true
    reading ??= read().finally(() => {
      reading = undefined
    })
    return reading
  }

  // A read that fails comes again with the next look.
  wakes.subscribe(({ kind }) => {
    if (kind === 'limits') refresh().catch(() => undefined)
  })

  async function changed<T>(change: Promise<T>): Promise<T> {
    const result = await change
    wakes.publish({ kind: 'limits' })
    await refresh()
    return result
  }

  return {
    of: (projectId: string | undefined): ProjectLimits | undefined =>
      projectId === undefined ? undefined : known.get(projectId),
    /** To be called every second. */
    async look(): Promise<void> {
      if (isStale || now() - readAt >= lookEveryMs) await refresh()
    },
    get: (projectId: string): Promise<LimitedProject | undefined> => store.get(projectId),
    list: (page: Parameters<ProjectLimitStore['list']>[0]) => store.list(page),
    set: (projectId: string, limits: ProjectLimits, by: AuditActor): Promise<LimitedProject> =>
      changed(store.set(projectId, limits, by)),
    remove: (projectId: string, by: AuditActor): Promise<boolean> => changed(store.remove(projectId, by)),
  }
}

export type ProjectLimitsView = ReturnType<typeof createProjectLimits>

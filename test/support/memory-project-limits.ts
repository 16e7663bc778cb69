import type {
  LimitedProject,
  ProjectLimitStore,
  ProjectLimits,
  ProjectQuotas,
} from '../../src/domain/project-limits.ts'

/** Limits in memory. Each project that is limited in its sessions has seven. */
export function memoryProjectLimits(): ProjectLimitStore {
  const rows = new Map<string, ProjectLimits>()
  const projectOf = (projectId: string, limits: ProjectLimits): LimitedProject => ({
    projectId,
    limits,
    changedAt: Date.UTC(2026, 0, 1),
    sessions: limits.maxSessions === undefined ? undefined : 7,
  })
  return {
    all: async () => rows,
    get: async (id) => {
      const limits = rows.get(id)
      return limits && projectOf(id, limits)
    },
    list: async ({ after = '', limit }) =>
      [...rows]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .filter(([id]) => id > after)
        .slice(0, limit)
        .map(([id, limits]) => projectOf(id, limits)),
    async set(id, limits) {
      rows.set(id, limits)
      return projectOf(id, limits)
    },
    remove: async (id) => rows.delete(id),
    recount: async () => [],
  }
}

const notAsked = () => Promise.reject(new Error('this test counts nothing for projects'))

export const noProjectQuotas: ProjectQuotas = {
  countOpens: notAsked,
  takePlace: notAsked,
  leavePlace: async () => {},
}

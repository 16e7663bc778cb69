import type { ProjectQuotas } from '../domain/project-limits.ts'
import type { Logger } from '../logging.ts'
import { runScript, type SlotRedis } from './redis-client.ts'
import { projectKeys } from './redis-keys.ts'

const minuteMs = 60_000
/** After a failure Redis is left alone for this long, so that a time-out costs one request and not each of them. */
const breakerMs = 1_000

interface ProjectQuotasDeps {
  readonly redis: SlotRedis
  readonly logger: Logger
  /** Monotonic milliseconds. */
  readonly now: () => number
}

/** Counts of projects that have limits. They are lost with Redis, and then nobody is refused. */
export function createRedisProjectQuotas({ redis, logger, now }: ProjectQuotasDeps): ProjectQuotas {
  let closedUntil = 0

  async function ask<T>(command: () => Promise<T>): Promise<T | undefined> {
    if (now() < closedUntil) return undefined
    try {
      return await command()
    } catch (error) {
      closedUntil = now() + breakerMs
      logger.warn({ err: error }, 'redis did not answer; limits of projects that it counts are not held')
      return undefined
    }
  }

  return {
    async countOpens(projectId, most, count) {
      const answer = await ask(() =>
        runScript('countOpen', () => redis.countOpen(projectKeys(projectId).opens, minuteMs, most, count)),
      )
      if (!answer) return undefined
      const [taken, remaining, resetMs] = answer
      return { isTaken: taken === 1, most, remaining, resetMs }
    },
    async takePlace({ projectId, sessionId, most, forMs }) {
      const { waiting } = projectKeys(projectId)
      const answer = await ask(() =>
        runScript('takePlace', () => redis.takePlace(waiting, sessionId, Math.ceil(forMs), most)),
      )
      return answer === undefined ? undefined : answer === 1
    },
    async leavePlace(projectId, sessionId) {
      await ask(() => redis.zrem(projectKeys(projectId).waiting, sessionId))
    },
  }
}

import type { IndexReader, SeenPoolIndex, SeenReservation } from '../domain/invariants/invariant-snapshot.ts'
import { GreenroomError } from '../errors.ts'
import type { SlotRedis } from './redis-client.ts'
import { poolKeys } from './redis-keys.ts'

/** Keys looked at in one step of a scan: some 1 ms of Redis' time. */
const scanStep = 1_000

/** Reads the index as it is, without breaker and cache. Throws GRN_REDIS_UNAVAILABLE. */
export function createRedisIndexReader(redis: SlotRedis): IndexReader {
  async function ask<T>(command: () => Promise<T>): Promise<T> {
    try {
      return await command()
    } catch (error) {
      throw new GreenroomError('GRN_REDIS_UNAVAILABLE', undefined, { cause: error })
    }
  }

  async function readPool(agentType: string): Promise<SeenPoolIndex> {
    const { ready, reservations, expiries } = poolKeys(agentType)
    const replies = await redis
      .multi()
      .time()
      .zrange(ready, '0', '-1')
      .hgetall(reservations)
      .zrange(expiries, '0', '-1', 'WITHSCORES')
      .exec()
    const failed = replies?.find(([error]) => error !== null)
    if (!replies || failed) throw failed?.[0] ?? new Error('the transaction was dropped')
    const [time, uids, records, ends] = replies.map(([, reply]) => reply) as [
      [string | number, string | number],
      string[],
      Record<string, string>,
      string[],
    ]
    const expiresAt = new Map<string, number>()
    for (let at = 0; at < ends.length; at += 2) expiresAt.set(ends[at] ?? '', Number(ends[at + 1]))
    return {
      agentType,
      nowMs: Number(time[0]) * 1_000 + Math.floor(Number(time[1]) / 1_000),
      ready: uids,
      reservations: Object.entries(records).map(([sessionId, record]) => ({
        ...reservationFrom(record),
        sessionId,
        expiresAt: expiresAt.get(sessionId),
      })),
    }
  }

  return {
    async pools() {
      const patterns = [poolKeys('*').ready, poolKeys('*').reservations]
      const found = new Set<string>()
      for (const pattern of patterns) {
        const [before = '', after = ''] = pattern.split('*')
        let cursor = '0'
        do {
          const [next, keys] = await ask(() => redis.scan(cursor, 'MATCH', pattern, 'COUNT', scanStep))
          for (const key of keys) found.add(key.slice(before.length, key.length - after.length))
          cursor = next
        } while (cursor !== '0')
      }
      return [...found]
    },
    read: (agentTypes) => ask(() => Promise.all(agentTypes.map(readPool))),
  }
}

/** "attempt rank uid", as reserve-slot.lua writes it. */
function reservationFrom(record: string): Pick<SeenReservation, 'attempt' | 'podUid'> {
  const [attempt, , podUid] = record.split(' ')
  return { attempt: Number(attempt), podUid: podUid ?? record }
}

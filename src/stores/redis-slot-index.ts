import type { IndexedSlot, Reservation, Reservations, SlotIndex } from '../domain/index-ports.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'
import { createExpiringMemory } from '../timing/expiring-memory.ts'
import { pause } from '../timing/pause.ts'
import { runScript, type SlotRedis } from './redis-client.ts'
import { poolKeys } from './redis-keys.ts'

/** As long as an open may take at most: a slot reserved by a dead replica is free again after it. */
export const reservationMs = 5_000

/** A replica tells Redis every half second who waits in it. One that missed four times is taken for dead. */
const waiterSilenceMs = 2_000
/** The queue of a pool that nobody tells of any more is forgotten after this; waiters are told of twice a second. */
const queueKeptMs = 5 * waiterSilenceMs
/** Slots in one call: 1,000 take some 2 ms, in which Redis serves nobody else. */
const slotsPerCall = 1_000

/** Reservations are settled in groups: at 1,000 opens a second this saves four of five commands, a tenth of Redis' share of an open. */
const settleEveryMs = 5

interface Settling {
  /** Session id, pod UID, session id, …. */
  readonly pairs: string[]
  readonly done: Promise<void>
}

/** How long a pool counts as unknown after Redis last said that it has no index of it. */
const unbuiltMs = 5_000

/** After a failure Redis is left alone for this long, so that a time-out costs one request and not each of them. */
const breakerMs = 1_000

interface SlotIndexDeps {
  readonly redis: SlotRedis
  readonly logger: Logger
  readonly metrics: Metrics
  readonly now: () => number
}

/** The index of ready slots in Redis. A failed read answers `unknown`; a lost write costs one attempt at most. */
export function createRedisSlotIndex({ redis, logger, metrics, now }: SlotIndexDeps): SlotIndex {
  let closedUntil = 0
  let isAway = false
  /** Pools whose index Redis does not have. Pools in use are asked for each second; a removed one is forgotten. */
  const unbuilt = createExpiringMemory<string>({ keptMs: unbuiltMs, now })
  const settling = new Map<string, Settling>()

  /** An answer about one pool says nothing of another whose index is missing. */
  function show(): void {
    metrics.indexUnknown.set(isAway || unbuilt.size() > 0 ? 1 : 0)
  }

  function noteBuilt(agentType: string, isBuilt: boolean): void {
    if (isBuilt) unbuilt.delete(agentType)
    else unbuilt.set(agentType, true)
    show()
  }

  /** Runs one command unless the breaker is open; undefined when Redis did not answer. */
  async function ask<T>(what: string, command: () => Promise<T>): Promise<T | undefined> {
    if (now() < closedUntil) return undefined
    try {
      const answer = await command()
      isAway = false
      show()
      return answer
    } catch (error) {
      closedUntil = now() + breakerMs
      isAway = true
      show()
      logger.warn({ err: error, what }, 'redis did not answer; claims go on without the index')
      return undefined
    }
  }

  /** Settles of the same few milliseconds go together: nobody waits for them, and a reservation lasts seconds. */
  function settleSoon(agentType: string, sessionId: string, podUid: string): Promise<void> {
    const known = settling.get(agentType)
    if (known) {
      known.pairs.push(sessionId, podUid)
      return known.done
    }
    const pairs = [sessionId, podUid]
    const done = pause(settleEveryMs).then(async () => {
      settling.delete(agentType)
      const { reservations, expiries, spent } = poolKeys(agentType)
      await ask('settle', () => redis.settleSlots(reservations, expiries, spent, pairs))
    })
    settling.set(agentType, { pairs, done })
    return done
  }

  /** Calls for one page after the other; false as soon as Redis did not answer. */
  async function forPages<T>(
    all: readonly T[],
    call: (page: readonly T[]) => Promise<unknown>,
  ): Promise<boolean> {
    for (let from = 0; from < all.length; from += slotsPerCall)
      if ((await call(all.slice(from, from + slotsPerCall))) === undefined) return false
    return true
  }

  function addAll(agentType: string, slots: readonly IndexedSlot[], asOf?: number): Promise<boolean> {
    const { ready, reservations, spent } = poolKeys(agentType)
    return forPages(slots, (page) => {
      const pairs = page.flatMap((slot) => [slot.podUid, slot.rank])
      return ask('add', () => redis.addSlots(ready, reservations, spent, asOf ?? '+inf', pairs))
    })
  }

  function dropAll(agentType: string, podUids: readonly string[]): Promise<boolean> {
    const { ready, spent } = poolKeys(agentType)
    return forPages(podUids, (page) => ask('drop', () => redis.dropSlots(ready, spent, [...page])))
  }

  /** What the index has of a pool, with ranks. Slots that come or go meanwhile may be missing; undefined without Redis. */
  async function readAll(agentType: string): Promise<Map<string, number> | undefined> {
    const found = new Map<string, number>()
    let cursor = '0'
    do {
      const answer = await ask('scan', () =>
        redis.zscan(poolKeys(agentType).ready, cursor, 'COUNT', slotsPerCall),
      )
      if (!answer) return undefined
      const [next, entries] = answer
      for (let at = 0; at < entries.length; at += 2) found.set(entries[at] ?? '', Number(entries[at + 1]))
      cursor = next
    } while (cursor !== '0')
    return found
  }

  return {
    async reserve({ agentType, sessionId, attempt, isArrival }): Promise<Reservation> {
      const given = [sessionId, attempt, reservationMs, waiterSilenceMs, isArrival ? 1 : 0]
      const answer = await ask('reserve', () =>
        runScript('reserveSlot', () => redis.reserveSlot(...reserveKeys(agentType), ...given)),
      )
      if (!answer) return unknown
      const reservation = reservationOf(answer)
      noteBuilt(agentType, reservation.kind !== 'unknown')
      return reservation
    },

    async reserveAll({ agentType, sessions }): Promise<Reservations> {
      const asked = sessions.flatMap(({ sessionId, attempt, isArrival }) => [
        sessionId,
        attempt,
        isArrival ? 1 : 0,
      ])
      const given = [reservationMs, waiterSilenceMs, ...asked]
      const answer = await ask('reserve all', () =>
        runScript('reserveSlots', () => redis.reserveSlots(...reserveKeys(agentType), given)),
      )
      if (!answer) return unknown
      const [code, ...podUids] = answer
      const reservation: Reservations = code === 1 ? { kind: 'reserved', podUids } : notReserved(code)
      noteBuilt(agentType, reservation.kind !== 'unknown')
      return reservation
    },

    settle: settleSoon,

    async giveBack(agentType, sessionId, podUid) {
      const { ready, reservations, expiries } = poolKeys(agentType)
      await ask('give back', () =>
        runScript('giveBackSlot', () => redis.giveBackSlot(ready, reservations, expiries, sessionId, podUid)),
      )
    },

    async drop(agentType, podUids) {
      await dropAll(agentType, podUids)
    },

    async look(agentType) {
      const answer = await ask('look', () => redis.multi().exists(poolKeys(agentType).built).time().exec())
      const [built, time] = answer?.map(([, reply]) => reply) ?? []
      if (built === undefined || !Array.isArray(time)) return undefined
      const isBuilt = built === 1
      noteBuilt(agentType, isBuilt)
      return { isBuilt, at: Number(time[0]) * 1_000 + Math.floor(Number(time[1]) / 1_000) }
    },

    async areBuilt(agentTypes) {
      const found = await ask('are built', async () => {
        const batch = redis.pipeline()
        for (const agentType of agentTypes) batch.exists(poolKeys(agentType).built)
        return (await batch.exec())?.map(([error, exists]) => {
          if (error) throw error
          return exists === 1
        })
      })
      found?.forEach((isBuilt, at) => noteBuilt(agentTypes[at] ?? '', isBuilt))
      return found?.every((isBuilt) => isBuilt)
    },

    add: addAll,

    async rebuild(agentType, slots, asOf) {
      const found = await readAll(agentType)
      if (!found) return false
      const wanted = new Set(slots.map(({ podUid }) => podUid))
      const stale = [...found.keys()].filter((podUid) => !wanted.has(podUid))
      const missing = slots.filter(({ podUid, rank }) => found.get(podUid) !== rank)
      if (!(await dropAll(agentType, stale)) || !(await addAll(agentType, missing, asOf))) return false
      return (await ask('built', () => redis.set(poolKeys(agentType).built, '1'))) !== undefined
    },

    async size(agentType) {
      const { ready, built } = poolKeys(agentType)
      const answer = await ask('size', () => redis.multi().exists(built).zcard(ready).exec())
      if (!answer) return undefined
      const isBuilt = answer[0]?.[1] === 1
      noteBuilt(agentType, isBuilt)
      return isBuilt ? Number(answer[1]?.[1]) : undefined
    },

    async keepWaiting(agentType, waiting) {
      if (waiting.length === 0) return []
      const { waiters, seen, demand, missed } = poolKeys(agentType)
      const keys = [waiters, seen, demand, missed]
      const given = waiting.flatMap(({ sessionId, place, headStartMs, isArrival }) => [
        sessionId,
        place ?? '',
        headStartMs,
        isArrival ? 1 : 0,
      ])
      const places = await ask('keep waiting', () => redis.keepWaiting(...keys, queueKeptMs, given))
      return places?.map(Number)
    },

    async leaveWaiting(agentType, sessionId) {
      const { waiters, seen } = poolKeys(agentType)
      await ask('leave', () => redis.multi().zrem(waiters, sessionId).zrem(seen, sessionId).exec())
    },

    async noteFailure(agentType, podUid, windowMs) {
      return ask('note failure', () => redis.noteFailure(poolKeys(agentType).failures, podUid, windowMs))
    },

    async waiting(agentType) {
      return ask('waiting', () => redis.zcard(poolKeys(agentType).waiters))
    },
  }
}

/** In the order of reserve-slot.lua, which reserve-slots.lua has as well. */
function reserveKeys(agentType: string): string[] {
  const { ready, reservations, expiries, built, waiters, seen, demand, missed } = poolKeys(agentType)
  return [ready, reservations, expiries, built, waiters, seen, demand, missed]
}

type NotReserved = Exclude<Reservation, { kind: 'reserved' }>

const unknown: NotReserved = { kind: 'unknown' }

function reservationOf([code, podUid]: [number, string?]): Reservation {
  return code === 1 && podUid !== undefined ? { kind: 'reserved', podUid } : notReserved(code)
}

/** The only place that knows the other result codes of reserve-slot.lua and reserve-slots.lua. */
function notReserved(code: number): NotReserved {
  if (code === 0) return { kind: 'empty' }
  if (code === -2) return { kind: 'stale' }
  return unknown
}

import { type PodResources, takenOf } from './pod-resources.ts'
import { parseQuantity } from './quantity.ts'
import { countsAgents, type Quota } from './quota.ts'

/**
 * How many pods the ResourceQuotas still allow each pool, before the API server is asked. `used` of a quota counts
 * everything in the namespace, so the pods of others are in it.
 *
 * Several pools that share a quota get their room in two rounds, one pod after the other to the neediest (the one with
 * the smallest part of its goal): first each pool its `min`, then what it wants beyond. When there is too little, idle
 * pods beyond `min` count as room for all, so a pool that has more than its share gives pods up; those within `min` stay.
 */

/** What a pool has and wants. Counts are pods. */
export interface QuotaWish {
  readonly agentType: string
  /** What one pod takes in the end. */
  readonly size: PodResources
  readonly priorityClassName: string | undefined
  /** All that the quota counts: idle, claimed and on their way out. */
  readonly pods: number
  /** Ready, warming, and creates in flight. */
  readonly idle: number
  /** Creates in flight, which `used` may not show yet. */
  readonly unseen: number
  /** Idle pods that are promised. */
  readonly min: number
  /** Idle pods that the pool wants at present. */
  readonly wanted: number
  /** What the pods that are there take less than `size`, all together: they get it when they are claimed. */
  readonly owed?: PodResources
}

export interface QuotaShare {
  /** Idle pods that the pool may have: `wanted`, or fewer. */
  readonly idle: number
  /** Pods that may be created now. */
  readonly places: number
  /** Pods of this type in all that the quotas allow beside what others use; undefined without a quota that counts them. */
  readonly allowed: number | undefined
  /** The tightest bound: `ai-agents-quota: limits.cpu`. */
  readonly bound: QuotaBound | undefined
}

export interface QuotaBound {
  readonly quota: string
  readonly resource: string
  /** In nano-units. */
  readonly hard: bigint
  readonly used: bigint
}

/** A bound with what is free below it, and what one pod of each pool takes of it (0 where it does not count). */
interface Room {
  readonly bound: QuotaBound
  readonly needs: readonly bigint[]
  /** What creates in flight take, as if `used` showed none of them. */
  readonly unseen: bigint
  free: bigint
}

/** Rounds of giving are this many at most, however many pods are missing. */
const mostSteps = 1_000

/** Pure; equal input gives equal output, whatever the order of the wishes. */
export function shareQuotas(
  given: readonly QuotaWish[],
  quotas: readonly Quota[],
): ReadonlyMap<string, QuotaShare> {
  const wishes = [...given].sort((a, b) => (a.agentType < b.agentType ? -1 : 1))
  const rooms = roomsOf(wishes, quotas)
  // What each pool would get if all idle pods beyond the promised ones were given up.
  const kept = wishes.map(({ idle, min }) => Math.min(idle, min))
  const freed = rooms.map((room) => ({
    ...room,
    free:
      room.free +
      room.unseen +
      wishes.reduce((sum, { idle }, at) => sum + BigInt(idle - (kept[at] ?? 0)) * (room.needs[at] ?? 0n), 0n),
  }))
  const granted = fill(fill(kept, minsOf(wishes), freed), wantsOf(wishes), freed)
  // And what it can create beside all that is there.
  const present = wishes.map(({ idle }) => idle)
  const now = rooms.map((room) => ({ ...room }))
  const held = fill(fill(present, upTo(minsOf(wishes), granted), now), granted, now)
  return new Map(
    wishes.map(({ agentType, pods, wanted, idle }, at) => {
      const tightest = tightestOf(rooms, at)
      return [
        agentType,
        {
          // A quota takes nothing away that was not asked to go: without need the pool keeps what it wants.
          idle: tightest ? Math.min(wanted, granted[at] ?? wanted) : wanted,
          // What nobody needs is free for a roll-out, which has a pod more than it wants for a time.
          places: (held[at] ?? 0) - idle + Math.min(...now.map((room) => fittingIn(room, at))),
          allowed: tightest && pods + tightest.fitting,
          bound: tightest?.bound,
        },
      ]
    }),
  )
}

/** A sentence with numbers: `quota ai-agents-quota: limits.cpu allows 16`. */
export function quotaSentence({ allowed, bound }: Pick<QuotaShare, 'allowed' | 'bound'>): string | undefined {
  if (!bound || allowed === undefined) return undefined
  return `quota ${bound.quota}: ${bound.resource} allows ${allowed}`
}

/** Near the bound: nine tenths are used, or fewer than two more pods fit. A person can act before it binds. */
export function isNearBound({ hard, used }: QuotaBound, fitting: number): boolean {
  return fitting < 2 || used * 10n >= hard * 9n
}

function roomsOf(wishes: readonly QuotaWish[], quotas: readonly Quota[]): Room[] {
  return quotas.flatMap((quota) => {
    const isCounted = wishes.map(({ priorityClassName }) => countsAgents(quota, priorityClassName))
    return boundsOf(quota).flatMap((bound) => {
      const needs = wishes.map(({ size }, at) => (isCounted[at] ? takenOf(bound.resource, size) : 0n))
      if (needs.every((need) => need === 0n)) return []
      const sum = (of: (wish: QuotaWish, at: number) => bigint): bigint =>
        wishes.reduce((total, wish, at) => total + of(wish, at), 0n)
      const unseen = sum((wish, at) => BigInt(wish.unseen) * (needs[at] ?? 0n))
      const growth = sum(({ owed }, at) =>
        owed && isCounted[at] && !/^(count\/)?pods$/.test(bound.resource)
          ? takenOf(bound.resource, owed)
          : 0n,
      )
      return [{ bound, needs, unseen, free: bound.hard - bound.used - growth - unseen }]
    })
  })
}

/** What the API server enforces. A quota whose status nobody has written yet says nothing here; the API server refuses all. */
function boundsOf({ name, enforced: { hard = {}, used = {} } = {} }: Quota): QuotaBound[] {
  return Object.entries(hard).flatMap(([resource, text]) => {
    const most = parseQuantity(text)
    const now = parseQuantity(used[resource] ?? '0')
    return most === undefined || now === undefined ? [] : [{ quota: name, resource, hard: most, used: now }]
  })
}

function fittingIn({ free, needs }: Room, at: number): number {
  const need = needs[at] ?? 0n
  if (need === 0n) return Number.POSITIVE_INFINITY
  return free <= 0n ? 0 : Number(free / need)
}

function tightestOf(rooms: readonly Room[], at: number) {
  let tightest: { bound: QuotaBound; fitting: number } | undefined
  for (const room of rooms) {
    const fitting = fittingIn(room, at)
    if (Number.isFinite(fitting) && (!tightest || fitting < tightest.fitting))
      tightest = { bound: room.bound, fitting }
  }
  return tightest
}

/** Gives pods up to the goals, to the neediest first. Takes what it gives from `rooms`. */
function fill(have: readonly number[], goals: readonly number[], rooms: Room[]): number[] {
  const counts = [...have]
  const missing = (at: number): number => (goals[at] ?? 0) - (counts[at] ?? 0)
  let hungry = counts.map((_, at) => at).filter((at) => missing(at) > 0)
  const step = Math.ceil(hungry.reduce((sum, at) => sum + missing(at), 0) / mostSteps)
  const filled = (at: number): number => (counts[at] ?? 0) / (goals[at] ?? 1)
  while (hungry.length > 0) {
    const neediest = hungry.reduce((a, b) => (filled(b) < filled(a) ? b : a))
    const count = Math.min(step, missing(neediest), ...rooms.map((room) => fittingIn(room, neediest)))
    for (const room of rooms) room.free -= BigInt(count) * (room.needs[neediest] ?? 0n)
    counts[neediest] = (counts[neediest] ?? 0) + count
    hungry = hungry.filter((at) => missing(at) > 0 && (at !== neediest || count > 0))
  }
  return counts
}

function minsOf(wishes: readonly QuotaWish[]): number[] {
  return wishes.map(({ min, wanted }) => Math.min(min, wanted))
}

function wantsOf(wishes: readonly QuotaWish[]): number[] {
  return wishes.map(({ wanted }) => wanted)
}

function upTo(goals: readonly number[], most: readonly number[]): number[] {
  return goals.map((goal, at) => Math.min(goal, most[at] ?? goal))
}

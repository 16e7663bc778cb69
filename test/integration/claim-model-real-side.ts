import type { AgentPod } from '../../src/domain/agent-pod.ts'
import type { SlotIndex } from '../../src/domain/index-ports.ts'
import type { PoolPodLedger } from '../../src/domain/pool-ports.ts'
import { beforeTheRoom, endReason, type Session } from '../../src/domain/session.ts'
import type { ClaimLedger, PodFate, SessionStore } from '../../src/domain/session-ports.ts'
import { type SlotState, slotStateOf } from '../../src/domain/slot.ts'
import type { Postgres } from '../../src/stores/postgres-client.ts'
import type { SlotRedis } from '../../src/stores/redis-client.ts'
import { poolKeys } from '../../src/stores/redis-keys.ts'
import { agentType } from '../sessions/open-bed.ts'
import { newRecord, podNamed } from '../stores/open-records.ts'
import { readyPod } from '../support/fake-pod-view.ts'
import { madeDigest, madeTemplate } from '../support/noted-pods.ts'
import type { ModelState, Opener, PodFacts } from './claim-model.ts'
import { type IndexOp, inOrder, type PodOp } from './claim-model-index.ts'
import {
  type Answer,
  attemptReason,
  openerId,
  openerOf,
  retireReason,
  type StoreOp,
  type Summary,
  sortedSummaries,
} from './claim-model-store-ops.ts'

/** The same operations on real Redis and real PostgreSQL, and what both show afterwards. */

export type TimeOp =
  | { readonly op: 'leasePasses' | 'lifePasses'; readonly s: string }
  | { readonly op: 'holderFallsSilent'; readonly by: string }

export const sessionNames = ['s1', 's2', 's3'] as const
const idOf = (s: string) => `0198c0de-0000-7000-8000-00000000000${s.slice(1)}`
const nameOf = (id: string) => `s${id.slice(-1)}`
/** The order of the model is the alphabet. */
const rankOf = (pod: string) => pod.charCodeAt(0)
const slots = (pods: readonly string[]) => pods.map((podUid) => ({ podUid, rank: rankOf(podUid) }))
const keys = poolKeys(agentType)

function summary(session: Session): Summary {
  const { status, endReason: reason, epoch, pod } = session
  return { s: nameOf(session.id), status, endReason: reason, epoch, pod: pod?.uid }
}

function summaries(sessions: readonly Session[]): readonly Summary[] {
  return sortedSummaries(sessions.map(summary))
}

function answered(outcome: { kind: string; session?: Session }): Answer {
  return outcome.session ? { kind: outcome.kind, session: summary(outcome.session) } : { kind: outcome.kind }
}

/** A row as its caller remembers it; only its id, epoch, pod and opener are ever used. */
function known(s: string, epoch: number, pod: string | undefined, opener?: Opener): Session {
  const { warm: _warm, maxSessionMs: _max, ...record } = newRecord({ id: idOf(s), epoch })
  return {
    ...record,
    pod: pod === undefined ? undefined : podNamed(pod),
    status: 'PENDING',
    endReason: undefined,
    heldByReplica: undefined,
    adoptable: false,
    leaseExpiresAt: 0,
    createdAt: 0,
    activeAt: undefined,
    endingAt: undefined,
    endedAt: undefined,
    ...beforeTheRoom,
    opener: openerId(opener),
  }
}

interface RealParts {
  readonly postgres: Postgres
  readonly redis: SlotRedis
  readonly index: SlotIndex
  /** Of two replicas: operations at the same time go to both. */
  readonly stores: readonly [SessionStore, SessionStore]
  readonly ledger: ClaimLedger
  readonly poolPods: PoolPodLedger
}

export function createRealSide({ postgres, redis, index, stores, ledger, poolPods }: RealParts) {
  const pods = new Map<string, AgentPod>()
  const places = new Map<string, number>()
  const sql = (text: string, values: unknown[] = []) => postgres.durable.query(text, values)

  const note = (uids: readonly string[]) =>
    poolPods.note(
      uids.map((podUid) => ({ podUid, agentType, templateHash: madeTemplate, specDigest: madeDigest })),
    )

  async function reset(given: ReadonlyMap<string, PodFacts>, noted: ReadonlySet<string>): Promise<void> {
    // Of a few rows this is much faster than TRUNCATE.
    await sql(
      `WITH claims AS (DELETE FROM pod_claims), events AS (DELETE FROM session_events), pods AS (DELETE FROM pool_pods)
       DELETE FROM sessions`,
    )
    // Renewals can be taken all the time here; the gap has tests of its own.
    await sql(`UPDATE renewal_service SET alive_at = 'infinity', gap_ended_at = '-infinity'`)
    await note([...noted])
    await redis.flushall()
    places.clear()
    pods.clear()
    for (const [uid, { isReady }] of given)
      pods.set(uid, readyPod({ uid, readySince: isReady ? 1 : undefined }))
  }

  async function askStore(op: StoreOp, replica = 0): Promise<Answer> {
    const store = stores[replica % 2] ?? stores[0]
    switch (op.op) {
      case 'open':
        return answered(await store.commitOpen(recordOf(op)))
      case 'next': {
        const its = { epoch: op.epoch, reason: attemptReason, opener: openerId(op.opener) }
        const next = { pod: podNamed(op.pod), ...its }
        return answered(await store.commitNextAttempt(known(op.s, op.from, op.oldPod, op.as), next))
      }
      case 'reopen':
        return answered(await store.reopen(known(op.s, op.from, op.oldPod), recordOf(op)))
      case 'cold': {
        const { s, epoch, lease, by, most } = op
        const { pod: _pod, warm: _warm, ...record } = newRecord({ id: idOf(s), epoch, leaseHeldBy: lease })
        const cold = { ...record, pendingMs: 60_000, heldByReplica: by, adoptable: true, mostWaiting: most }
        return answered(await store.openCold(cold))
      }
      case 'activate':
        return (await store.activate(idOf(op.s), op.epoch)) && { kind: 'active' }
      case 'fail':
      case 'undo': {
        const isTold = op.op === 'fail'
        const row = known(op.s, op.epoch, op.op === 'undo' ? op.pod : undefined, op.as)
        const fate: PodFate = isTold ? { kind: 'retire', reason: attemptReason } : { kind: 'release' }
        const session = await store.failOpen(row, endReason.deliveryFailed, fate)
        return session && answered({ kind: 'failed', session })
      }
      case 'renew':
        return answered(await store.renew(idOf(op.s), op.epoch, op.byAgent))
      case 'end':
        return answered(await store.beginEnding(idOf(op.s), endReason.caller, op.epoch))
      case 'adopt':
        return summaries(
          await store.adopt(op.by, { limit: 10, ...(op.s !== undefined && { id: idOf(op.s) }) }),
        )
      case 'release':
        await store.releaseHeld(op.by)
        return undefined
      case 'finish':
        await ledger.finishEnding([idOf(op.s)])
        return undefined
      case 'endOnPods':
        return summaries(
          await ledger.endOnPods(op.pods.map((podUid) => ({ podUid, reason: endReason.podDied }))),
        )
      case 'retire':
        return [...(await ledger.retire(op.pods, retireReason))].sort()
      case 'note':
        await note(op.pods)
        return undefined
      case 'reap':
        return summaries(await ledger.lapse(10))
      case 'purge':
        return (await ledger.purge({ sessionsAfterMs: 0, claimsAfterMs: 1e12, limit: 100 })).sessions
    }
  }

  const recordOf = ({ s, pod, epoch, lease, opener }: Extract<StoreOp, { op: 'open' | 'reopen' }>) =>
    newRecord({ id: idOf(s), pod: podNamed(pod), epoch, leaseHeldBy: lease, opener: openerId(opener) })

  async function askIndex(op: IndexOp): Promise<unknown> {
    switch (op.op) {
      case 'reserve':
        return index.reserve({ agentType, sessionId: idOf(op.s), attempt: op.attempt })
      case 'settle':
        return index.settle(agentType, idOf(op.s), op.pod)
      case 'giveBack':
        return index.giveBack(agentType, idOf(op.s), op.pod)
      case 'lapseReservation':
        await redis.zadd(keys.expiries, 'XX', 1, idOf(op.s))
        return undefined
      case 'wait': {
        const waiter = {
          sessionId: idOf(op.s),
          place: places.get(op.s),
          headStartMs: op.isUrgent ? 1_000_000 : 0,
        }
        const [place] = (await index.keepWaiting(agentType, [waiter])) ?? []
        if (place !== undefined) places.set(op.s, place)
        return undefined
      }
      case 'leave':
        places.delete(op.s)
        return index.leaveWaiting(agentType, idOf(op.s))
      case 'goSilent':
        await redis.zadd(keys.seen, 'XX', 1, idOf(op.s))
        return undefined
      case 'add':
        await index.add(agentType, slots(op.pods))
        return undefined
      case 'drop':
        return index.drop(agentType, op.pods).then(() => undefined)
      case 'rebuild':
        await index.rebuild(agentType, slots(op.pods))
        return undefined
      case 'wipe':
        await redis.flushall()
        return undefined
    }
  }

  function changePod({ op, pod: uid }: PodOp): void {
    const pod = pods.get(uid)
    if (!pod) return
    if (op === 'podGone') pods.delete(uid)
    else if (op === 'podDies') pods.set(uid, { ...pod, deadReason: 'died' })
    else if (op === 'podDeleted') pods.set(uid, { ...pod, deletingSince: 1 })
    else pods.set(uid, { ...pod, readySince: op === 'podReady' ? 1 : undefined })
  }

  async function passTime(op: TimeOp): Promise<void> {
    const past = `now() - interval '1 s'`
    const live = `status IN ('PENDING', 'ACTIVE')`
    const lapsed = `lease_expires_at = ${past}, claimed_at = claimed_at - interval '1 hour'`
    if (op.op === 'holderFallsSilent')
      await sql(`UPDATE sessions SET held_until = ${past} WHERE held_by = $1 AND status = 'PENDING'`, [op.by])
    else if (op.op === 'leasePasses')
      await sql(`UPDATE sessions SET ${lapsed} WHERE id = $1 AND ${live}`, [idOf(op.s)])
    else
      await sql(`UPDATE sessions SET ${lapsed}, max_ends_at = ${past} WHERE id = $1 AND ${live}`, [
        idOf(op.s),
      ])
  }

  /** Everything that both stores hold, and the states of slots that follow from it. */
  async function seen(): Promise<Seen> {
    const [sessions, claims, offered, reservations, built, waiting] = await Promise.all([
      readSessions(),
      ledger.claimsOf([...new Set([...pods.keys(), ...podNames])]),
      redis.zrange(keys.ready, '0', '-1'),
      redis.hgetall(keys.reservations),
      redis.exists(keys.built),
      redis.zrange(keys.waiters, '0', '-1'),
    ])
    const held = Object.entries(reservations).map(([id, record]): [string, string] => {
      const [attempt = '', , pod = ''] = record.split(' ')
      return [nameOf(id), `${attempt} ${pod}`]
    })
    const inHand = new Set(held.map(([, record]) => record.split(' ')[1]))
    const slotStates = podNames.map((uid): [string, SlotState] => {
      const pod = pods.get(uid)
      const state = pod ? slotStateOf(pod, claims.get(uid)) : 'gone'
      return [uid, state === 'ready' && inHand.has(uid) ? 'reserved' : state]
    })
    return {
      slots: Object.fromEntries(slotStates),
      sessions,
      claims: Object.fromEntries(
        [...claims].map(([uid, { purpose, sessionId, epoch, reason }]) => [
          uid,
          claimText({ purpose, session: sessionId && nameOf(sessionId), epoch, reason }),
        ]),
      ),
      index: offered,
      held: Object.fromEntries(held),
      isBuilt: built === 1,
      queue: waiting.map(nameOf),
    }
  }

  async function readSessions(): Promise<Seen['sessions']> {
    const { rows } = await sql(`
      SELECT id, status, end_reason, epoch, pod_uid, opener, lease_held_by, held_by, held_until <= now() AS orphan,
        lease_expires_at < now() AS lapsed, max_ends_at <= now() AS overlong, active_at IS NOT NULL AS was_active
      FROM sessions`)
    return Object.fromEntries(
      rows.map((row) => [
        nameOf(row.id),
        sessionText({
          status: row.status,
          endReason: row.end_reason ?? undefined,
          epoch: row.epoch,
          pod: row.pod_uid ?? undefined,
          heldBy: row.held_by ?? undefined,
          leaseHeldBy: row.lease_held_by,
          isOrphan: row.orphan === true,
          lapsed: row.lapsed,
          isOverlong: row.overlong,
          wasActive: row.was_active,
          opener: openerOf(row.opener),
          isFresh: false,
        }),
      ]),
    )
  }

  return { reset, askStore, askIndex, changePod, passTime, seen }
}

export type RealSide = ReturnType<typeof createRealSide>

/** The last one has the labels of the pool, and the controller did not make it. */
export const podNames = ['a', 'b', 'c', 'd', 'e', 'f', 'g'] as const

/** Both sides in one form; what does not count in a state is left out of it. */
export interface Seen {
  readonly slots: Readonly<Record<string, SlotState>>
  readonly sessions: Readonly<Record<string, string>>
  readonly claims: Readonly<Record<string, string>>
  readonly index: readonly string[]
  readonly held: Readonly<Record<string, string>>
  readonly isBuilt: boolean
  readonly queue: readonly string[]
}

type ModelSession = ModelState['sessions'] extends Map<string, infer Value> ? Value : never
type ModelClaim = ModelState['claims'] extends Map<string, infer Value> ? Value : never

function sessionText(session: ModelSession): string {
  const { status, endReason: reason, epoch, pod, heldBy } = session
  const isLive = status === 'PENDING' || status === 'ACTIVE'
  return [
    `${status} epoch ${epoch} on ${pod}, lease of ${session.leaseHeldBy}`,
    reason,
    heldBy && `held by ${heldBy}`,
    heldBy && status === 'PENDING' && session.isOrphan && 'orphan',
    isLive && session.lapsed && 'lapsed',
    isLive && session.isOverlong && 'overlong',
    session.wasActive && 'was active',
    isLive && session.opener && `opened by ${session.opener}`,
  ]
    .filter(Boolean)
    .join(', ')
}

function claimText({ purpose, session, epoch, reason }: ModelClaim): string {
  return `${purpose} by ${session} epoch ${epoch} ${reason}`
}

export function seenInModel(state: ModelState): Seen {
  const texts = <T>(map: ReadonlyMap<string, T>, text: (value: T) => string) =>
    Object.fromEntries([...map].map(([name, value]) => [name, text(value)]))
  return {
    slots: Object.fromEntries(state.slots),
    sessions: texts(state.sessions, sessionText),
    claims: texts(state.claims, claimText),
    index: [...state.index].sort(),
    held: texts(state.held, ({ attempt, pod }) => `${attempt} ${pod}`),
    isBuilt: state.isBuilt,
    queue: inOrder(state),
  }
}

import type { AgentPod } from '../../src/domain/agent-pod.ts'
import type {
  InvariantSnapshot,
  SeenClaim,
  SeenReservation,
  SeenSession,
} from '../../src/domain/invariant-snapshot.ts'
import type { ViolationKind } from '../../src/domain/violation.ts'
import { agentPod } from './slot-views.ts'

/** Snapshots built of small stories, each of them legal by itself, and one corruption for every kind of violation. */

export const nowMs = 1_000_000_000
const agentType = 'echo-agent'

export function emptyWorld() {
  return {
    pods: [] as AgentPod[],
    claims: [] as SeenClaim[],
    sessions: [] as SeenSession[],
    ready: [] as string[],
    reservations: [] as SeenReservation[],
  }
}
export type World = ReturnType<typeof emptyWorld>

export function snapshotOf(world: World): InvariantSnapshot & {
  pods: object
  ledger: object
  index: object
} {
  const { pods, claims, sessions, ready, reservations } = world
  return {
    pods: { nowMs, pods },
    ledger: { nowMs, claims, sessions },
    index: [{ agentType, nowMs, ready, reservations }],
  }
}

export const readyPod = (uid: string, overrides: Partial<AgentPod> = {}) =>
  agentPod(uid, { readySince: nowMs - 60_000, ...overrides })

export const seenSession = (id: string, overrides: Partial<SeenSession> = {}): SeenSession => ({
  id,
  status: 'ACTIVE',
  agentType,
  epoch: 1,
  podUid: `pod-of-${id}`,
  leaseExpiresAt: nowMs + 30_000,
  createdAt: nowMs - 300_000,
  activeAt: nowMs - 299_000,
  endingAt: undefined,
  endedAt: undefined,
  ...overrides,
})

export const seenClaim = (podUid: string, overrides: Partial<SeenClaim> = {}): SeenClaim => ({
  podUid,
  purpose: 'session',
  sessionId: undefined,
  epoch: undefined,
  claimedAt: nowMs - 300_000,
  ...overrides,
})

export const retired = (podUid: string, overrides: Partial<SeenClaim> = {}) =>
  seenClaim(podUid, { purpose: 'retired', ...overrides })

/** A session with its claim and its pod; the pod is left out with `pod: false`. */
export function addSession(
  world: World,
  id: string,
  { pod = {}, ...overrides }: Partial<SeenSession> & { readonly pod?: Partial<AgentPod> | false } = {},
): SeenSession {
  const session = seenSession(id, overrides)
  world.sessions.push(session)
  if (session.podUid === undefined) return session
  world.claims.push(seenClaim(session.podUid, { sessionId: id, epoch: session.epoch }))
  const labels = { stateLabel: 'claimed', sessionLabel: id }
  if (pod) world.pods.push(readyPod(session.podUid, { ...labels, ...pod }))
  return session
}

const terminating = { deletingSince: nowMs + 20_000 }
const pending = { status: 'PENDING', activeAt: undefined } as const
const ending = { status: 'ENDING', endingAt: nowMs - 5_000 } as const
const ended = { status: 'ENDED', endingAt: nowMs - 12_000, endedAt: nowMs - 10_000 } as const

/** `id` is new in the world each time. */
export const legalStories: Readonly<Record<string, (world: World, id: string) => void>> = {
  'idle and indexed': (world, id) => {
    world.pods.push(readyPod(id))
    world.ready.push(id)
  },
  'ready a moment ago': (world, id) => void world.pods.push(readyPod(id)),
  warming: (world, id) => void world.pods.push(agentPod(id)),
  reserved: (world, id) => {
    world.pods.push(readyPod(id))
    world.reservations.push({ sessionId: `s-${id}`, attempt: 1, podUid: id, expiresAt: nowMs + 5_000 })
  },
  'reserved, lapsed and not needed since': (world, id) => {
    world.pods.push(readyPod(id))
    world.reservations.push({ sessionId: `s-${id}`, attempt: 1, podUid: id, expiresAt: nowMs - 500_000 })
  },
  active: (world, id) => void addSession(world, id),
  'claimed and not labelled yet': (world, id) =>
    void addSession(world, id, { pod: { stateLabel: 'idle', sessionLabel: undefined } }),
  'active past its lease while renewals could not be taken': (world, id) =>
    void addSession(world, id, { leaseExpiresAt: nowMs - 4 * 60_000 }),
  'unready for a moment': (world, id) => void addSession(world, id, { pod: { readySince: undefined } }),
  pending: (world, id) => void addSession(world, id, pending),
  'cold open without a pod': (world, id) => void addSession(world, id, { ...pending, podUid: undefined }),
  'cold open that is ending': (world, id) =>
    void addSession(world, id, { ...ending, activeAt: undefined, podUid: undefined }),
  'second attempt': (world, id) => {
    addSession(world, id, { ...pending, epoch: 2 })
    const first = `first-of-${id}`
    world.claims.push(retired(first, { sessionId: id, epoch: 1, claimedAt: nowMs - 3_000 }))
    world.pods.push(readyPod(first, terminating))
  },
  'opened again after it was abandoned': (world, id) => {
    addSession(world, id, { epoch: 3 })
    world.claims.push(seenClaim(`first-of-${id}`, { sessionId: id, epoch: 1 }))
  },
  'opened again a moment ago, its first pod about to go': (world, id) => {
    addSession(world, id, { epoch: 3 })
    world.claims.pop()
    world.claims.push(seenClaim(`pod-of-${id}`, { sessionId: id, epoch: 3, claimedAt: nowMs - 5_000 }))
    world.claims.push(seenClaim(`first-of-${id}`, { sessionId: id, epoch: 1 }))
    world.pods.push(readyPod(`first-of-${id}`))
  },
  'ending on a pod that goes': (world, id) => void addSession(world, id, { ...ending, pod: terminating }),
  'ending on a dead pod': (world, id) =>
    void addSession(world, id, { ...ending, pod: { deadReason: 'pod phase Failed' } }),
  'ending after its pod': (world, id) => void addSession(world, id, { ...ending, pod: false }),
  'ended, the pod gone': (world, id) => void addSession(world, id, { ...ended, pod: false }),
  'ended, the pod not yet gone': (world, id) => void addSession(world, id, { ...ended, pod: terminating }),
  'ended long ago, its pod deleted late and on its way': (world, id) =>
    void addSession(world, id, { ...ended, endedAt: nowMs - 900_000, pod: terminating }),
  'ended, its pod on a silent node': (world, id) =>
    void addSession(world, id, {
      ...ended,
      endedAt: nowMs - 900_000,
      pod: { unreachableSince: nowMs - 950_000 },
    }),
  'ended and purged, its claim kept': (world, id) =>
    void world.claims.push(seenClaim(`pod-of-${id}`, { sessionId: id, epoch: 1 })),
  'retired just now': (world, id) => {
    world.pods.push(readyPod(id))
    world.claims.push(retired(id, { claimedAt: nowMs - 1_000 }))
  },
  'retired and gone': (world, id) => void world.claims.push(retired(id)),
}

interface Corruption {
  readonly kind: ViolationKind
  /** Returns the subject that must be named. */
  readonly plant: (world: World) => string
}

const id = 'planted'
const podUid = `pod-of-${id}`

export const corruptions: Readonly<Record<string, Corruption>> = {
  'two live sessions on one pod': {
    kind: 'pod-claimed-twice',
    plant: (world) => {
      addSession(world, id)
      world.sessions.push(seenSession('other', { podUid }))
      return podUid
    },
  },
  'a session on the pod of one that ended': {
    kind: 'pod-claimed-twice',
    plant: (world) => {
      addSession(world, id, ended)
      world.sessions.push(seenSession('other', { podUid }))
      return podUid
    },
  },
  'two claims on one pod': {
    kind: 'pod-claimed-twice',
    plant: (world) => {
      addSession(world, id)
      world.claims.push(retired(podUid))
      return podUid
    },
  },
  'two claims of one attempt': {
    kind: 'session-on-two-pods',
    plant: (world) => {
      addSession(world, id)
      world.claims.push(seenClaim('another', { sessionId: id, epoch: 1 }))
      world.pods.push(readyPod('another'))
      return id
    },
  },
  'a claim of a later attempt': {
    kind: 'session-on-two-pods',
    plant: (world) => {
      addSession(world, id, pending)
      world.claims.push(seenClaim('another', { sessionId: id, epoch: 2 }))
      return id
    },
  },
  'no claim': {
    kind: 'session-without-claim',
    plant: (world) => {
      addSession(world, id)
      world.claims.pop()
      world.pods.push(readyPod(world.pods.pop()?.uid ?? ''))
      return id
    },
  },
  'the pod is retired': {
    kind: 'session-without-claim',
    plant: (world) => {
      addSession(world, id)
      world.claims.pop()
      world.claims.push(retired(podUid, { sessionId: id, epoch: 1, claimedAt: nowMs - 1_000 }))
      return id
    },
  },
  'the claim has another epoch': {
    kind: 'session-without-claim',
    plant: (world) => {
      addSession(world, id, { epoch: 2 })
      world.claims.pop()
      world.claims.push(seenClaim(podUid, { sessionId: id, epoch: 1, claimedAt: nowMs - 1_000 }))
      return id
    },
  },
  'active, its pod gone': {
    kind: 'session-without-pod',
    plant: (world) => addSession(world, id, { pod: false }).id,
  },
  'pending, its pod gone': {
    kind: 'session-without-pod',
    plant: (world) => addSession(world, id, { ...pending, pod: false }).id,
  },
  'active on a dead pod': {
    kind: 'session-without-pod',
    plant: (world) => addSession(world, id, { pod: { deadReason: 'pod phase Failed' } }).id,
  },
  'active on a Terminating pod': {
    kind: 'session-without-pod',
    plant: (world) => addSession(world, id, { pod: terminating }).id,
  },
  'active without any pod': {
    kind: 'session-without-pod',
    plant: (world) => addSession(world, id, { podUid: undefined }).id,
  },
  'the session ended, the pod serves on': {
    kind: 'claimed-pod-without-session',
    plant: (world) => {
      addSession(world, id, { ...ended, endedAt: nowMs - 61_000 })
      return podUid
    },
  },
  'the session is not there': {
    kind: 'claimed-pod-without-session',
    plant: (world) => {
      addSession(world, id)
      world.sessions.pop()
      return podUid
    },
  },
  'the session went on to another pod': {
    kind: 'claimed-pod-without-session',
    plant: (world) => {
      addSession(world, id, { epoch: 2 })
      world.claims.push(seenClaim('older', { sessionId: id, epoch: 1 }))
      world.pods.push(readyPod('older'))
      return 'older'
    },
  },
  'the session has no pod, a pod has the session': {
    kind: 'claimed-pod-without-session',
    plant: (world) => {
      addSession(world, id, { ...pending, podUid: undefined })
      world.claims.push(seenClaim('stranded', { sessionId: id, epoch: 1 }))
      world.pods.push(readyPod('stranded'))
      return 'stranded'
    },
  },
  'Terminating long past its grace': {
    kind: 'claimed-pod-without-session',
    plant: (world) => {
      const pod = { deletingSince: nowMs - 16_000 }
      addSession(world, id, { ...ended, endedAt: nowMs - 90_000, pod })
      return podUid
    },
  },
  'labelled as claimed by nobody': {
    kind: 'claimed-pod-without-session',
    plant: (world) => {
      world.pods.push(readyPod('idle', { stateLabel: 'claimed' }))
      return 'idle'
    },
  },
  'labelled with another session': {
    kind: 'claimed-pod-without-session',
    plant: (world) => {
      addSession(world, id, { pod: { sessionLabel: 'other' } })
      return podUid
    },
  },
  'retired and still there': {
    kind: 'retired-pod-remains',
    plant: (world) => {
      world.claims.push(retired('old', { claimedAt: nowMs - 61_000 }))
      world.pods.push(readyPod('old'))
      return 'old'
    },
  },
  'indexed, gone': {
    kind: 'index-entry-without-pod',
    plant: (world) => {
      world.ready.push('ghost')
      return 'ghost'
    },
  },
  'indexed, claimed': {
    kind: 'index-entry-without-pod',
    plant: (world) => {
      addSession(world, id)
      world.ready.push(podUid)
      return podUid
    },
  },
  'indexed, retired': {
    kind: 'index-entry-without-pod',
    plant: (world) => {
      world.pods.push(readyPod('old'))
      world.claims.push(retired('old', { claimedAt: nowMs - 1_000 }))
      world.ready.push('old')
      return 'old'
    },
  },
  'indexed, of another pool': {
    kind: 'index-entry-without-pod',
    plant: (world) => {
      world.pods.push(readyPod('stray', { agentType: 'other' }))
      world.ready.push('stray')
      return 'stray'
    },
  },
  'ready and reserved': {
    kind: 'slot-offered-twice',
    plant: (world) => {
      world.pods.push(readyPod('both'))
      world.ready.push('both')
      world.reservations.push({ sessionId: id, attempt: 1, podUid: 'both', expiresAt: nowMs + 1_000 })
      return 'both'
    },
  },
  'reserved for two': {
    kind: 'slot-offered-twice',
    plant: (world) => {
      world.pods.push(readyPod('both'))
      for (const sessionId of ['a', 'b'])
        world.reservations.push({ sessionId, attempt: 1, podUid: 'both', expiresAt: nowMs + 1_000 })
      return 'both'
    },
  },
  'reserved for ever': {
    kind: 'reservation-past-bound',
    plant: (world) => {
      world.reservations.push({ sessionId: id, attempt: 1, podUid: 'held', expiresAt: undefined })
      return 'held'
    },
  },
  'reserved for longer than any may be': {
    kind: 'reservation-past-bound',
    plant: (world) => {
      world.reservations.push({ sessionId: id, attempt: 1, podUid: 'held', expiresAt: nowMs + 5_001 })
      return 'held'
    },
  },
  'pending past its lease': {
    kind: 'pending-past-lease',
    plant: (world) => addSession(world, id, { ...pending, leaseExpiresAt: nowMs - 5_001 }).id,
  },
  'cold open past its lease': {
    kind: 'pending-past-lease',
    plant: (world) =>
      addSession(world, id, { ...pending, podUid: undefined, leaseExpiresAt: nowMs - 5_001 }).id,
  },
  'active past its lease and every mercy': {
    kind: 'lease-lapsed-not-ended',
    plant: (world) => addSession(world, id, { leaseExpiresAt: nowMs - 305_001 }).id,
  },
  'ending past its bound': {
    kind: 'ending-past-bound',
    plant: (world) => addSession(world, id, { ...ending, endingAt: nowMs - 120_001, pod: terminating }).id,
  },
  'active, never acknowledged': {
    kind: 'active-never-acknowledged',
    plant: (world) => addSession(world, id, { activeAt: undefined }).id,
  },
}

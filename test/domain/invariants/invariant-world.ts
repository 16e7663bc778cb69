import type { AgentPod } from '../../../src/domain/agent-pod.ts'
import type {
  InvariantSnapshot,
  SeenClaim,
  SeenMiscount,
  SeenReservation,
  SeenSession,
} from '../../../src/domain/invariants/invariant-snapshot.ts'
import { agentPod } from '../slot-views.ts'

/** Snapshots built of small stories, each of them legal by itself. */

export const nowMs = 1_000_000_000
const agentType = 'echo-agent'

export function emptyWorld() {
  return {
    pods: [] as AgentPod[],
    claims: [] as SeenClaim[],
    sessions: [] as SeenSession[],
    ready: [] as string[],
    reservations: [] as SeenReservation[],
    /** Pods that the controller did not make; it made all others. */
    strange: [] as string[],
    miscounted: [] as SeenMiscount[],
  }
}
export type World = ReturnType<typeof emptyWorld>

export function snapshotOf(world: World): InvariantSnapshot & {
  pods: object
  ledger: object
  index: object
} {
  const { pods, claims, sessions, ready, reservations, strange, miscounted } = world
  const made = [...pods.map(({ uid }) => uid), ...sessions.flatMap(({ podUid }) => podUid ?? []), ...ready]
  const noted = new Map(made.filter((uid) => !strange.includes(uid)).map((uid) => [uid, agentType]))
  return {
    pods: { nowMs, pods },
    ledger: { nowMs, claims, sessions, noted, miscounted },
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
  mayBeTold: false,
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

export const terminating = { deletingSince: nowMs + 20_000 }
export const pending = { status: 'PENDING', activeAt: undefined } as const
export const ending = { status: 'ENDING', endingAt: nowMs - 5_000 } as const
export const ended = { status: 'ENDED', endingAt: nowMs - 12_000, endedAt: nowMs - 10_000 } as const

/** `id` is new in the world each time. */
export const legalStories: Readonly<Record<string, (world: World, id: string) => void>> = {
  'idle and indexed': (world, id) => {
    world.pods.push(readyPod(id))
    world.ready.push(id)
  },
  'ready a moment ago': (world, id) => void world.pods.push(readyPod(id)),
  'not noted and not offered': (world, id) => {
    world.pods.push(readyPod(id))
    world.strange.push(id)
  },
  'not noted, its session over': (world, id) => {
    addSession(world, id, { ...ended, pod: false })
    world.strange.push(`pod-of-${id}`)
  },
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

import type { InvariantKind } from '../../../src/domain/invariants/broken-invariant.ts'
import {
  addSession,
  ended,
  ending,
  nowMs,
  pending,
  readyPod,
  retired,
  seenClaim,
  seenSession,
  terminating,
  type World,
} from './invariant-world.ts'

/** What must not be in a world: a corruption, or several, for every kind. */

interface Corruption {
  readonly kind: InvariantKind
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
  'a session on a pod that nobody noted': {
    kind: 'pod-not-noted-in-use',
    plant: (world) => {
      addSession(world, id)
      world.strange.push(podUid)
      return podUid
    },
  },
  'an open that is delivered to a pod that nobody noted': {
    kind: 'pod-not-noted-in-use',
    plant: (world) => {
      addSession(world, id, pending)
      world.strange.push(podUid)
      return podUid
    },
  },
  'a pod that nobody noted is offered': {
    kind: 'pod-not-noted-in-use',
    plant: (world) => {
      world.pods.push(readyPod('stranger'))
      world.ready.push('stranger')
      world.strange.push('stranger')
      return 'stranger'
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
  'perhaps told, past its lease, every mercy and the last question to its pod': {
    kind: 'lease-lapsed-not-ended',
    plant: (world) =>
      addSession(world, id, { ...pending, mayBeTold: true, leaseExpiresAt: nowMs - 320_001 }).id,
  },
  'ending past its bound': {
    kind: 'ending-past-bound',
    plant: (world) => addSession(world, id, { ...ending, endingAt: nowMs - 120_001, pod: terminating }).id,
  },
  'a project whose sessions are counted wrongly': {
    kind: 'project-count-wrong',
    plant: (world) => {
      world.miscounted.push({ projectId: 'tea', counted: 2, sessions: 3 })
      return 'tea'
    },
  },
  'active, never acknowledged': {
    kind: 'active-never-acknowledged',
    plant: (world) => addSession(world, id, { activeAt: undefined }).id,
  },
}

import t from 'tap'
import type { Assignment } from '../../src/domain/assignment.ts'
import type { AgentDelivery } from '../../src/domain/cluster-ports.ts'
import { beforeTheRoom, type Session } from '../../src/domain/session.ts'
import { createDeliverSession } from '../../src/sessions/deliver-session.ts'
import { createFakePodView, readyPod } from '../support/fake-pod-view.ts'
import { unasked } from '../support/nothing-unsettled.ts'

const session: Session = {
  ...newSession(),
  id: 's1',
  epoch: 2,
  room: 'echo-agent-s1',
  metadata: { a: 1 },
  pod: { uid: 'a', name: 'name-a', ip: '127.0.0.9' },
}

function newSession(): Session {
  const nothing = {
    endReason: undefined,
    projectId: undefined,
    participant: undefined,
    fingerprint: undefined,
  }
  const times = {
    leaseExpiresAt: 60_000,
    createdAt: 0,
    activeAt: undefined,
    endingAt: undefined,
    endedAt: undefined,
    ...beforeTheRoom,
  }
  const pod = { pod: undefined, heldByReplica: undefined, adoptable: false }
  const room = { roomName: 'lobby', room: '', metadata: undefined }
  return {
    id: '',
    status: 'PENDING',
    agentType: 'echo-agent',
    epoch: 1,
    leaseMs: 60_000,
    leaseHeldBy: 'both',
    ...nothing,
    ...times,
    ...pod,
    ...room,
  }
}

const livekit = { url: 'wss://h', room: 'echo-agent-s1', token: 't', expiresAt: 'e' }

function start(options: { apiUrl?: string } = {}) {
  const pods = createFakePodView()
  const sent: { pod: unknown; assignment: Assignment; deadlineMs: number }[] = []
  const delivery: AgentDelivery = {
    ...unasked,
    async assign(pod, assignment, deadlineMs) {
      sent.push({ pod, assignment, deadlineMs })
      return {
        kind: 'accepted',
        echo: { podUid: pod.uid, sessionId: assignment.sessionId, epoch: assignment.epoch },
      }
    },
    end: async () => ({ kind: 'unreachable', reason: 'not asked' }),
  }
  const { deliver } = createDeliverSession({
    delivery,
    pods: pods.view,
    sessionToken: (id, epoch) => `token of ${id} in ${epoch}`,
    apiUrl: options.apiUrl,
  })
  return { pods, sent, deliver }
}

void t.test('the pod of the row gets the session with everything it needs', async (t) => {
  const { pods, sent, deliver } = start({ apiUrl: 'http://api' })
  pods.set(readyPod({ uid: 'a', assignKeyIds: ['k2', 'k1'] }))
  t.match(await deliver(session, { secrets: { KEY: 's' }, livekit }, 700), { kind: 'accepted' })
  t.same(sent, [
    {
      pod: { uid: 'a', name: 'name-a', ip: '127.0.0.9', assignKeyIds: ['k2', 'k1'] },
      deadlineMs: 700,
      assignment: {
        sessionId: 's1',
        epoch: 2,
        podUid: 'a',
        agentType: 'echo-agent',
        room: 'echo-agent-s1',
        livekit,
        metadata: { a: 1 },
        secrets: { KEY: 's' },
        sessionToken: 'token of s1 in 2',
        apiUrl: 'http://api',
        leaseMs: 60_000,
      },
    },
  ])
})

void t.test('what there is none of is left out', async (t) => {
  const { pods, sent, deliver } = start()
  pods.set(readyPod({ uid: 'a' }))
  await deliver({ ...session, metadata: undefined }, { livekit: undefined }, 700)
  for (const absent of ['livekit', 'metadata', 'secrets', 'apiUrl'])
    t.notOk(absent in (sent[0]?.assignment ?? {}), absent)
})

void t.test('a pod whose label names another pool gets nothing', async (t) => {
  const { pods, sent, deliver } = start()
  pods.set(readyPod({ uid: 'a', agentType: 'stella-light' }))
  t.same(await deliver(session, { secrets: { KEY: 's' }, livekit: undefined }, 700), {
    kind: 'unreachable',
    reason: 'the pod belongs to pool stella-light',
  })
  t.same(sent, [])
})

void t.test('a pod that this replica does not see is unreachable', async (t) => {
  const { sent, deliver } = start()
  t.same(await deliver(session, { livekit: undefined }, 700), {
    kind: 'unreachable',
    reason: 'the pod is gone',
  })
  t.same(sent, [])
})

import type { V1Pod } from '@kubernetes/client-node'
import t from 'tap'
import { agentPodFrom } from '../../src/domain/agent-pod.ts'
import { startFailureOf } from '../../src/domain/start-failure.ts'
import { agentPod } from './slot-views.ts'

const trouble = { cause: 'image', message: 'ErrImagePull: no such image' } as const
const bounds = (seconds: number) => ({ now: seconds * 1_000, startDeadlineMs: 600_000 })

void t.test('a pod that has a node has until the deadline; its trouble says why it failed', (t) => {
  const starting = agentPod('a', { startingSince: 0 })
  t.equal(startFailureOf(starting, bounds(599)), undefined)
  t.same(startFailureOf(starting, bounds(600)), {
    cause: 'deadline',
    message: 'not Ready 600 s after it got its node',
  })
  const refused = agentPod('a', { startingSince: 0, trouble: { ...trouble, cause: 'config' } })
  t.equal(startFailureOf(refused, bounds(599)), undefined, 'the kubelet tries again each few seconds')
  t.match(startFailureOf(refused, bounds(600)), { cause: 'config' })
  t.end()
})

void t.test('a pod that no node has room for never fails', (t) => {
  const waiting = agentPod('a', { createdAt: 0, trouble: { cause: 'unschedulable', message: 'no node' } })
  t.equal(startFailureOf(waiting, bounds(1e9)), undefined)
  t.end()
})

void t.test(
  'a pod without its image fails before its kubelet waits longer than 30 s for the next pull',
  (t) => {
    const pod = agentPod('a', { startingSince: 0, trouble })
    t.equal(startFailureOf(pod, bounds(49)), undefined)
    t.same(startFailureOf(pod, bounds(50)), trouble)
    t.match(startFailureOf(pod, { now: 5_000, startDeadlineMs: 5_000 }), trouble, 'a shorter deadline counts')
    t.end()
  },
)

const at = (second: number): string => new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString()
const startingSince = (spec: object, conditions: object[]): number | undefined => {
  const metadata = { uid: 'u', name: 'n', labels: { 'greenroom.dev/pool': 'p' }, creationTimestamp: at(0) }
  const since = agentPodFrom({ metadata, spec, status: { conditions } } as unknown as V1Pod)?.startingSince
  return since === undefined ? undefined : (since - Date.UTC(2026, 0, 1)) / 1_000
}

void t.test('the time begins when a node has the pod, or when it was no longer Ready', (t) => {
  const scheduled = { type: 'PodScheduled', status: 'True', lastTransitionTime: at(9) }
  t.equal(startingSince({}, []), undefined, 'nobody has looked at it')
  t.equal(startingSince({}, [{ ...scheduled, status: 'False' }]), undefined, 'no node has room')
  t.equal(startingSince({ nodeName: 'n' }, [scheduled]), 9)
  t.equal(startingSince({ nodeName: 'n' }, []), 0, 'bound when it was made')
  const ready = { type: 'Ready', status: 'True', lastTransitionTime: at(20) }
  t.equal(startingSince({ nodeName: 'n' }, [scheduled, ready]), undefined)
  t.equal(startingSince({ nodeName: 'n' }, [scheduled, { ...ready, status: 'False' }]), 20)
  t.end()
})

import type { V1Pod } from '@kubernetes/client-node'
import t from 'tap'
import { pendingPodFrom } from '../../src/cluster/pending-pod-watch.ts'

const unschedulable = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable' }
const pod = (status: object, metadata: object = {}): V1Pod => ({
  metadata: { uid: 'u', name: 'n', ...metadata },
  spec: { containers: [{ name: 'c', resources: { requests: { cpu: '100m' } } }] },
  status: { phase: 'Pending', ...status },
})

void t.test('which pods wait for room', async (t) => {
  t.same(pendingPodFrom(pod({ conditions: [unschedulable] })), {
    uid: 'u',
    name: 'n',
    requests: { cpu: 10n ** 8n },
  })
  const others = [
    ['not looked at yet', pod({})],
    ['held back by a gate', pod({ conditions: [{ ...unschedulable, reason: 'SchedulingGated' }] })],
    ['bound', pod({ conditions: [{ type: 'PodScheduled', status: 'True' }] })],
    ['on its way out', pod({ conditions: [unschedulable] }, { deletionTimestamp: new Date() })],
    ['being made room for by preemption', pod({ conditions: [unschedulable], nominatedNodeName: 'n1' })],
  ] as const
  for (const [what, other] of others) t.equal(pendingPodFrom(other), undefined, what)
})

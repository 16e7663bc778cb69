import t from 'tap'
import type { AgentPod } from '../../src/domain/agent-pod.ts'
import { isServable, slotFitness } from '../../src/sessions/slot-fitness.ts'
import { readyPod } from '../support/fake-pod-view.ts'

const cases: readonly (readonly [unfit: string, change: Partial<AgentPod>])[] = [
  ['other-type', { agentType: 'stella-light' }],
  ['deleting', { deletingSince: 1 }],
  ['dead', { deadReason: 'exit code 1' }],
  ['not-ready', { readySince: undefined }],
  ['not-ready', { ip: undefined }],
]

void t.test('a pod fits an open only if it is there, of its type, alive and Ready', async (t) => {
  const pod = readyPod({ uid: 'a' })
  t.same(slotFitness('echo-agent', pod), { pod })
  t.same(slotFitness('echo-agent', undefined), { unfit: 'not-seen' })
  for (const [unfit, change] of cases) {
    const changed = { ...pod, ...change }
    t.same(slotFitness('echo-agent', changed), { unfit })
    t.equal(isServable(changed), unfit === 'other-type', 'of its own type')
  }
})

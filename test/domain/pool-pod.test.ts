import t from 'tap'
import { isOwnPod, originFault, podOrigin, unnotedGraceMs } from '../../src/domain/pool-pod.ts'
import { readyPod } from '../support/fake-pod-view.ts'

const pod = readyPod({ uid: 'a', specDigest: 'd1' })
const noted = { podUid: 'a', agentType: pod.agentType, templateHash: 'h1', specDigest: 'd1' }
const nothing = { noted: undefined, createdHere: false, unnotedForMs: 0 }

void t.test('a pod is ours when it is noted for its pool and is as it was made', async (t) => {
  const longAgo = { ...nothing, noted, unnotedForMs: unnotedGraceMs }
  t.equal(podOrigin(pod, longAgo), 'ours')
  t.equal(podOrigin({ ...pod, agentType: 'other' }, longAgo), 'foreign', 'its label was changed')
  t.equal(podOrigin({ ...pod, specDigest: 'd2' }, longAgo), 'changed')
  t.equal(podOrigin({ ...pod, specChanged: true }, longAgo), 'changed', 'also when it was changed back')
  const { specDigest: _digest, ...undigested } = pod
  t.equal(podOrigin(undigested, longAgo), 'changed', 'what cannot be compared is not trusted')
})

void t.test(
  'without a note it is unknown for a while, then foreign; one that was created here waits for its note',
  async (t) => {
    t.equal(podOrigin(pod, nothing), 'unknown')
    t.equal(podOrigin(pod, { ...nothing, unnotedForMs: unnotedGraceMs - 1 }), 'unknown')
    t.equal(podOrigin(pod, { ...nothing, unnotedForMs: unnotedGraceMs }), 'foreign')
    t.equal(podOrigin(pod, { ...nothing, createdHere: true, unnotedForMs: 1e9 }), 'unconfirmed')
  },
)

void t.test('only what others made or changed is taken out for its origin', async (t) => {
  t.equal(originFault('ours'), undefined)
  t.equal(originFault('unconfirmed'), undefined)
  t.equal(originFault('unknown'), undefined)
  t.same((['ours', 'unconfirmed', 'unknown', 'changed', 'foreign'] as const).map(isOwnPod), [
    true,
    true,
    false,
    true,
    false,
  ])
  t.equal(originFault('foreign'), 'not created by the controller')
  t.equal(originFault('changed'), 'changed after it was created')
})

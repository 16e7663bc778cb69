import t from 'tap'
import { createRefillRate } from '../../src/sessions/refill-rate.ts'
import { createFakePodView, readyPod } from '../support/fake-pod-view.ts'

function start() {
  let time = 0
  const pods = createFakePodView()
  const rate = createRefillRate(pods.view, () => time)
  return {
    retry: (waiting: number) => rate.retryAfterMs('echo-agent', waiting),
    ready: (uid: string) => pods.change(readyPod({ uid })),
    warming: (uid: string) => pods.change(readyPod({ uid, readySince: undefined })),
    setSynced: pods.setSynced,
    at: (ms: number) => {
      time = ms
    },
  }
}

void t.test('what a pool has shown tells when one more may be there', async (t) => {
  const { ready, warming, retry, at } = start()
  t.equal(retry(0), 1_000, 'one a second, until it has shown something')
  t.equal(retry(9), 10_000)
  for (let n = 0; n < 10; n += 1) {
    at(n * 500)
    warming(`pod-${n}`)
    ready(`pod-${n}`)
    ready(`pod-${n}`)
  }
  at(5_000)
  t.equal(retry(9), 5_000, 'two a second; each pod counts once, when it becomes Ready')
  t.equal(retry(0), 1_000, 'never less')
  t.equal(retry(10_000), 30_000, 'nor more')
  at(120_000)
  t.equal(retry(9), 10_000, 'what was a minute ago says nothing')
})

void t.test('the pods of the first list are no refill', async (t) => {
  const { ready, retry, setSynced, at } = start()
  setSynced(false)
  for (let n = 0; n < 1_000; n += 1) ready(`pod-${n}`)
  setSynced(true)
  for (let n = 0; n < 1_000; n += 1) ready(`pod-${n}`)
  at(1_000)
  t.equal(retry(9), 10_000)
})

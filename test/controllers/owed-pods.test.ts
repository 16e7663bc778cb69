import t from 'tap'
import { createOwedPods } from '../../src/controllers/owed-pods.ts'

void t.test('who waits is owed a pod until somebody took it', async (t) => {
  const owed = createOwedPods()
  const look = (waiting: number, claimed: number, now: number) =>
    owed({ waiting, claimed, startP99Seconds: 8, now })
  t.equal(look(0, 0, 0), 0)
  t.equal(look(20, 0, 1_000), 20)
  t.equal(look(12, 8, 2_000), 12)
  t.equal(look(0, 12, 3_000), 0)
})

void t.test('a pod stays owed for two start-up times after its open gave up', async (t) => {
  const owed = createOwedPods()
  const look = (waiting: number, claimed: number, now: number) =>
    owed({ waiting, claimed, startP99Seconds: 8, now })
  t.equal(look(20, 0, 0), 20)
  t.equal(look(0, 0, 5_000), 20)
  t.equal(look(3, 0, 9_000), 20, 'some come again')
  t.equal(look(0, 3, 15_999), 17)
  t.equal(look(0, 0, 16_000), 0)
})

void t.test('the time is bounded, and 30 s before there is data', async (t) => {
  const ends = (startP99Seconds: number) => {
    for (let now = 1_000; ; now += 1_000) {
      const owed = createOwedPods()
      owed({ waiting: 1, claimed: 0, startP99Seconds, now: 0 })
      if (owed({ waiting: 0, claimed: 0, startP99Seconds, now }) === 0) return now
    }
  }
  t.equal(ends(0), 60_000)
  t.equal(ends(1), 10_000)
  t.equal(ends(10_000), 600_000)
})

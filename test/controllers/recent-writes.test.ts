import t from 'tap'
import { createRecentWrites } from '../../src/controllers/recent-writes.ts'

void t.test('a write is done once for a while; one that failed is tried again', async (t) => {
  let time = 0
  const recent = createRecentWrites(() => time)
  let writes = 0
  const write = async () => void (writes += 1)
  await Promise.all([recent.once('a', write), recent.once('a', write)])
  await recent.once('b', write)
  t.equal(writes, 2)
  time = 4_999
  await recent.once('a', write)
  t.equal(writes, 2)
  time = 5_000
  await recent.once('a', write)
  t.equal(writes, 3, 'forgotten after 5 s')
  await t.rejects(
    recent.once('c', () => Promise.reject(new Error('refused'))),
    { message: 'refused' },
  )
  await recent.once('c', write)
  t.equal(writes, 4)
})

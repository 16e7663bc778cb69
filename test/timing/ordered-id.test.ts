import t from 'tap'
import { orderedId } from '../../src/timing/ordered-id.ts'

void t.test('ids are UUIDs of version 7 in the order in which they were made', async (t) => {
  const ids = Array.from({ length: 2_000 }, orderedId)
  t.same([...ids].sort(), ids)
  t.equal(new Set(ids).size, ids.length)
  for (const id of ids.slice(0, 100))
    t.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  t.ok(Math.abs(Number.parseInt(ids[0]?.replaceAll('-', '').slice(0, 12) ?? '', 16) - Date.now()) < 60_000)
})

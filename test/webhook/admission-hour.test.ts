import t from 'tap'
import { createAdmissionHour } from '../../src/webhook/admission-hour.ts'

const minute = 60_000
const start = Date.UTC(2026, 0, 1)

void t.test('an hour of counts, the most denials first; what is older goes', async (t) => {
  let now = start
  const hour = createAdmissionHour('webhook-1', () => now)
  hour.note('denied', ['images', 'images', 'probes'], 'a')
  hour.note('changed', ['probes'], 'a')
  now += 30 * minute
  hour.note('denied', ['images'], 'a')
  hour.note('denied', ['images'], 'b')
  hour.note('warned', ['probes'], '')
  t.strictSame(hour.read(), {
    replica: 'webhook-1',
    since: new Date(start).toISOString(),
    rows: [
      { rule: 'images', namespace: 'a', denied: 2, changed: 0, warned: 0 },
      { rule: 'probes', namespace: 'a', denied: 1, changed: 1, warned: 0 },
      { rule: 'images', namespace: 'b', denied: 1, changed: 0, warned: 0 },
      { rule: 'probes', namespace: '', denied: 0, changed: 0, warned: 1 },
    ],
  })
  now = start + 61 * minute
  const later = hour.read()
  t.equal(later.since, new Date(start + minute).toISOString())
  t.same(
    later.rows.map(({ rule, namespace, denied }) => [rule, namespace, denied]),
    [
      ['images', 'a', 1],
      ['images', 'b', 1],
      ['probes', '', 0],
    ],
  )
  now = start + 5_000 * minute
  t.same(hour.read().rows, [])
})

void t.test('memory is bounded, whatever namespaces come', async (t) => {
  const hour = createAdmissionHour('webhook-1', () => start)
  for (let n = 0; n < 5_000; n += 1) hour.note('denied', ['images'], `namespace-${n}`)
  const { rows } = hour.read()
  t.equal(rows.length, 1_001)
  t.match(rows[0], { rule: 'images', namespace: '…', denied: 4_000 })
})

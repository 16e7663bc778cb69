import { Registry } from 'prom-client'
import t from 'tap'
import { createBatchedCounter } from '../../src/webhook/batched-counter.ts'

void t.test('every increment is read once, by its labels in any order', async (t) => {
  const registry = new Registry()
  const counter = createBatchedCounter(registry, { name: 'taken_total', help: 'x', labelNames: ['a', 'b'] })
  const read = async () => (await registry.getSingleMetric('taken_total')?.get())?.values ?? []
  for (let n = 0; n < 3; n += 1) counter.inc({ a: 'x', b: 'y' })
  const first = [{ value: 3, labels: { a: 'x', b: 'y' } }]
  t.match(await read(), first)
  t.match(await read(), first, 'reading twice counts once')
  counter.inc({ b: 'y', a: 'x' })
  counter.inc({ a: 'y', b: 'x' })
  const values = await read()
  t.match(values, [
    { value: 4, labels: { a: 'x', b: 'y' } },
    { value: 1, labels: { a: 'y', b: 'x' } },
  ])
  t.equal(values.length, 2)
})

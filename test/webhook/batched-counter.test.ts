import { Registry } from 'prom-client'
import t from 'tap'
import { createBatchedCounter } from '../../src/webhook/batched-counter.ts'

void t.test('every increment is read once, by its labels', async (t) => {
  const registry = new Registry()
  const counter = createBatchedCounter(registry, { name: 'taken_total', help: 'x', labelNames: ['a', 'b'] })
  const read = () => registry.getSingleMetricAsString('taken_total')
  for (let n = 0; n < 3; n += 1) counter.inc({ a: 'x', b: 'y' })
  counter.inc({ b: 'x', a: 'y' })
  t.match(await read(), /taken_total\{a="x",b="y"\} 3\n/)
  t.match(await read(), /taken_total\{a="x",b="y"\} 3\n/, 'reading twice counts once')
  counter.inc({ a: 'x', b: 'y' })
  const text = await read()
  t.match(text, /taken_total\{a="x",b="y"\} 4\n/)
  t.match(text, /taken_total\{a="y",b="x"\} 1/)
})

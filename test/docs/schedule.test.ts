import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../../bed/repository.ts'
import { checkPools } from '../../src/domain/pool.ts'
import { createMetrics } from '../../src/metrics.ts'
import { codeBlocks } from '../support/code-blocks.ts'

const page = readFileSync(join(root, 'docs/schedule.md'), 'utf8')

void t.test('the example of docs/schedule.md is a valid document', async (t) => {
  const [example = ''] = codeBlocks(page, 'yaml')
  t.match(checkPools(example), { ok: true, value: { pools: { 'echo-agent': { schedule: [{}, {}] } } } })
})

void t.test('the metrics that it names exist', async (t) => {
  const exposed = await createMetrics().registry.metrics()
  const named = [...page.matchAll(/`(greenroom_\w+)/g)].map(([, name]) => name)
  t.equal(named.length, 3)
  for (const name of named) t.match(exposed, new RegExp(`^# TYPE ${name} `, 'm'))
})

import { glob, readFile } from 'node:fs/promises'
import t from 'tap'
import { createMetrics } from '../src/metrics.ts'

/** A metric that nobody sets says 0 for ever, and a dashboard believes it. */
void t.test('every metric that is declared is set somewhere', async (t) => {
  const sources: string[] = []
  for await (const path of glob('src/**/*.ts', { exclude: ['src/metrics.ts'] }))
    sources.push(await readFile(path, 'utf8'))
  const names = Object.keys(createMetrics()).filter((name) => name !== 'registry')
  t.ok(names.length > 10)
  t.same(
    names.filter((name) => !sources.some((text) => new RegExp(`\\.${name}\\b`).test(text))),
    [],
  )
})

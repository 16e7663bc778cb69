import { glob, readFile } from 'node:fs/promises'
import { Registry } from 'prom-client'
import t from 'tap'
import { createCertificateMetrics } from '../src/certificates/certificate-metrics.ts'
import { declaredMetrics } from '../src/cli/declared-metrics.ts'
import { metricsPage } from '../src/cli/metrics-page.ts'
import { latencyBuckets } from '../src/domain/latency-buckets.ts'
import { createMetrics } from '../src/metrics.ts'
import { createWebhookMetrics } from '../src/webhook/webhook-metrics.ts'

const declared = Object.values(await declaredMetrics()).flat()

/** A metric that nobody sets says 0 for ever, and a dashboard believes it. */
void t.test('every metric that is declared is set somewhere', async (t) => {
  const sources: string[] = []
  for await (const path of glob('src/**/*.ts', { exclude: ['src/*metrics.ts', 'src/*/*-metrics.ts'] }))
    sources.push(await readFile(path, 'utf8'))
  const all = {
    ...createMetrics(),
    ...createWebhookMetrics(new Registry()),
    ...createCertificateMetrics(new Registry()),
  }
  const names = Object.keys(all).filter((name) => name !== 'registry')
  t.ok(names.length > 60)
  const isUsed = (name: string) =>
    sources.some((text) => new RegExp(`\\.${name}\\b|\\b${name}\\.(?:set|inc|observe|reset)\\(`).test(text))
  t.same(
    names.filter((name) => !isUsed(name)),
    [],
  )
})

void t.test('one scheme of names', async (t) => {
  const names = declared.map(({ name }) => name)
  t.equal(new Set(names).size, names.length, 'each in one place')
  for (const { name, type } of declared) {
    t.match(name, /^(greenroom|agent)(_[a-z]+)+$/)
    t.equal(name.endsWith('_total'), type === 'counter', `${name} is a ${type}`)
    if (type === 'histogram') t.match(name, /_seconds$/)
    t.notMatch(name, /_(ms|milliseconds|minutes|percent|kb|mb)(_|$)/, 'base units')
  }
})

void t.test('the bounds resolve 0.25 ms to 30 s, in order', async (t) => {
  t.equal(latencyBuckets[0], 0.000_25)
  t.equal(latencyBuckets.at(-1), 30)
  t.same(
    latencyBuckets,
    latencyBuckets.toSorted((a, b) => a - b),
  )
  for (const [index, bound] of latencyBuckets.entries())
    t.ok(bound <= 3 * (latencyBuckets[index - 1] ?? bound), `${bound} s is not far from the bound before`)
})

void t.test('docs/metrics.md is the generated page', async (t) => {
  const page = await readFile(new URL('../docs/metrics.md', import.meta.url), 'utf8')
  t.equal(page, await metricsPage(), 'run: node src/cli/metrics-page.ts > docs/metrics.md')
  for (const { name } of declared) t.match(page, `| \`${name}\` |`)
  t.notMatch(page, /undefined/)
})

import { readFileSync } from 'node:fs'
import t from 'tap'
import { checkPools } from '../../src/domain/pool.ts'

/** docs/pools.md names every key of a pool, and what it shows is accepted. */

const page = readFileSync(new URL('../../docs/pools.md', import.meta.url), 'utf8')
const schemaText = readFileSync(
  new URL('../../manifests/schema/agent-pools.schema.json', import.meta.url),
  'utf8',
)

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>
  readonly patternProperties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
}

/** As in a pod. */
const sameAsInPods = ['volumes', 'volumeMounts']

/** Names of all keys below, arrays and alternatives included. */
function keysOf({ properties = {}, items, anyOf = [] }: Schema): string[] {
  const own = Object.entries(properties).flatMap(([key, value]) =>
    sameAsInPods.includes(key) ? [key] : [key, ...keysOf(value)],
  )
  return [...own, ...(items ? keysOf(items) : []), ...anyOf.flatMap(keysOf)]
}

void t.test('every key of a pool is on the page', async (t) => {
  const { properties: { pools = {} } = {} } = JSON.parse(schemaText) as Schema
  const [pool = {}] = Object.values(pools.patternProperties ?? {})
  const keys = new Set(keysOf(pool))
  t.ok(keys.size > 40, `${keys.size} keys`)
  t.same(
    [...keys].filter((key) => !new RegExp(`\\b${key}\\b`).test(page)),
    [],
  )
})

void t.test('the document and the rules that it shows are accepted', async (t) => {
  const blocks = [...page.matchAll(/^```yaml\n(.*?)^```/gms)].map(([, text = '']) => text)
  t.ok(blocks.length > 0)
  for (const block of blocks) t.match(checkPools(block), { ok: true }, block)
  const rules = [...page.matchAll(/`(sizing: \{.*?\})`/g)].map(([, rule = '']) => rule)
  t.ok(rules.length >= 5)
  for (const rule of rules) {
    const text = `pools: {echo-agent: {template: {image: "a:1"}, min: 1, max: 9, ${rule}}}`
    t.match(checkPools(text), { ok: true }, rule)
  }
})

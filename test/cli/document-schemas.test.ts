import { readFileSync } from 'node:fs'
import t from 'tap'
import { documentSchemas } from '../../src/cli/document-schemas.ts'

const schemas = documentSchemas()

void t.test('the published schemas are those that the sources declare', async (t) => {
  for (const [name, text] of Object.entries(schemas)) {
    const published = readFileSync(new URL(`../../manifests/schema/${name}`, import.meta.url), 'utf8')
    t.equal(published, text, 'run: node src/cli/document-schemas.ts')
  }
})

void t.test('what has a default may be left out, what has none may not', async (t) => {
  const policy = JSON.parse(schemas['agent-policy.schema.json'] ?? '{}')
  t.same(policy.required, ['version', 'agentTypes'])
  t.equal(policy.additionalProperties, false)
  t.match(policy.properties.defaults.properties.allowedSecrets.description, /Never by label/)
  const pools = JSON.parse(schemas['agent-pools.schema.json'] ?? '{}')
  t.same(Object.keys(pools.properties), ['pools'])
})

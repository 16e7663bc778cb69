import { readFileSync } from 'node:fs'
import t from 'tap'
import { openApiText } from '../../src/cli/openapi-page.ts'

void t.test('the committed document is that of the routes', async (t) => {
  const committed = readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8')
  t.equal(committed, await openApiText(), 'run: node src/cli/openapi-page.ts')
  const { openapi, paths } = JSON.parse(committed) as { openapi: string; paths: object }
  t.match(openapi, /^3\.1/)
  t.ok(Object.keys(paths).length > 10)
})

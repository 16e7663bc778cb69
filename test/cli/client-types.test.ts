import { readFileSync } from 'node:fs'
import t from 'tap'
import { clientTypes } from '../../src/cli/client-types.ts'

void t.test("the caller SDK's types are those of the API's document", async (t) => {
  const published = readFileSync(new URL('../../src/client/api-types.ts', import.meta.url), 'utf8')
  const text = await clientTypes()
  t.equal(published, text, 'run: node src/cli/client-types.ts')
  t.match(text, /interface SessionView \{[^}]*readonly livekit\?: LiveKitAccess \| undefined/)
  t.match(text, /interface OpenRequest \{[^}]*readonly onEmpty\?: 'wait' \| 'cold' \| 'fail' \| undefined/)
  t.match(text, /interface ListQuery \{[^}]*readonly limit\?: number/, 'what has a default may be left out')
  t.notMatch(text, /: unknown$/m)
})

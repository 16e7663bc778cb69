import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../../../bed/repository.ts'
import { mcpTools } from '../../../src/cli/mcp/mcp-server.ts'
import { failedToolResult } from '../../../src/cli/mcp/tool-result.ts'
import { GreenroomApiError } from '../../../src/client/client-error.ts'
import { type ErrorCode, errorCatalogue } from '../../../src/error-catalogue.ts'
import { GreenroomError } from '../../../src/errors.ts'

void t.test('docs/mcp.md has a row for each tool, with what it takes', async (t) => {
  const page = await readFile(join(root, 'docs/mcp.md'), 'utf8')
  const rows = page.split('\n').filter((line) => /^\| `[a-z]+` \|/.test(line))
  t.same(
    rows.map((row) => /`([a-z]+)`/.exec(row)?.[1]),
    mcpTools.map(({ name }) => name),
  )
  for (const [at, { name, input }] of mcpTools.entries())
    for (const argument of Object.keys(input.properties)) t.match(rows[at], `\`${argument}\``, name)
})

void t.test(
  'every code of the catalogue tells a model what to do, from here and from the server',
  async (t) => {
    for (const code of Object.keys(errorCatalogue) as ErrorCode[]) {
      const { remedy } = errorCatalogue[code]
      const errors = [new GreenroomError(code), new GreenroomApiError('No.', { code, retryAfterMs: 5 })]
      for (const error of errors)
        t.match(failedToolResult(error), { isError: true, structuredContent: { code, remedy } }, code)
    }
  },
)

void t.test('a mistake of ours shows nothing of what it was about', async (t) => {
  const { content, structuredContent } = failedToolResult(new Error('cannot read hunter2'))
  t.match(structuredContent, { code: 'GRN_INTERNAL', remedy: /Try once more/ })
  t.notMatch(JSON.stringify(content), /hunter2/)
})

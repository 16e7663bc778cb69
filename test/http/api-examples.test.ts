import t from 'tap'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { readApiDocument } from '../../src/cli/read-api-document.ts'

interface Media {
  readonly schema: TSchema
  readonly example?: unknown
}
interface Described {
  readonly content?: Readonly<Record<string, Media>>
}
interface Operation {
  readonly operationId: string
  readonly requestBody?: Described
  readonly responses: Readonly<Record<string, Described>>
}

const { paths } = (await readApiDocument()) as { paths: Record<string, Record<string, Operation>> }
const operations = Object.values(paths).flatMap((methods) => Object.values(methods))

void t.test('each body and each answer has an example that its schema allows', (t) => {
  for (const { operationId, requestBody, responses } of operations) {
    // LiveKit sends what it sends, and is answered with nothing.
    const bodies = operationId === 'liveKitWebhook' ? [] : [['body', requestBody] as const]
    for (const [part, described] of [...bodies, ...Object.entries(responses)])
      for (const [type, { schema, example }] of Object.entries(described?.content ?? {})) {
        if (!/[/+]json$/.test(type)) continue
        const at = `${operationId} ${part}`
        t.not(example, undefined, `${at} has an example`)
        const validator = Compile(schema)
        t.same(
          validator.Errors(example).map(({ instancePath, message }) => `${instancePath} ${message}`),
          [],
          at,
        )
      }
  }
  t.ok(operations.length >= 20)
  t.end()
})

void t.test('refusals are described as what they are', (t) => {
  for (const { operationId, responses } of operations)
    for (const status of ['4XX', '5XX'])
      t.same(Object.keys(responses[status]?.content ?? {}), ['application/problem+json'], operationId)
  t.end()
})

import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { root } from '../../bed/repository.ts'
import { createClient } from '../../src/client/client.ts'
import { eventTypes } from '../../src/domain/event.ts'
import { createWebhookSigner } from '../../src/sessions/webhook-signer.ts'
import { createPostgresEventWebhooks } from '../../src/stores/postgres-event-webhooks.ts'
import { apiKey } from '../http/api-bed.ts'
import { lifeOfSession, startEventApi } from '../http/event-bed.ts'
import { postgresFor, startDatabase } from '../stores/store-servers.ts'
import { codeBlocks } from '../support/code-blocks.ts'

/** Every command and program of docs/events.md is run, and its table names every type. */

t.setTimeout(120_000)
const page = readFileSync(join(root, 'docs/events.md'), 'utf8')
const [follow = '', addWebhook = '', ...others] = codeBlocks(page, 'sh')
const [program = '', check = '', ...otherPrograms] = codeBlocks(page, 'js')
const database = await startDatabase(t)
const signer = createWebhookSigner('a secret of at least thirty-two bytes')
const postgres = await postgresFor(t, database)
const api = await startEventApi(t, database, {
  postgres,
  eventWebhooks: createPostgresEventWebhooks(postgres),
  webhookSecretOf: signer.secretOf,
})
const run = async (script: string, env: Record<string, string>) =>
  promisify(execFile)('sh', ['-c', script.replaceAll('curl ', 'curl -sS ')], {
    env: { PATH: process.env.PATH, GREENROOM_API_URL: api.url, GREENROOM_API_KEY: apiKey, ...env },
  })

void t.test('the page has the blocks that are run here, and its tables every type', (t) => {
  t.same([...others, ...otherPrograms], [])
  const named = [...page.matchAll(/^\| `([a-z]+\.[a-z-]+)` \|/gm)].map(([, type]) => type)
  t.same(new Set(named), new Set(eventTypes))
  t.equal(named.length, eventTypes.length)
  t.end()
})

void t.test('curl follows a session until its end', async (t) => {
  const id = await api.open({ projectId: 'checkout' })
  await api.end(id)
  const { stdout } = await run(follow, { SESSION: id })
  t.same(
    [...stdout.matchAll(/^event: (.*)$/gm)].map(([, type]) => type),
    lifeOfSession,
  )
  const shown = /^data: (\{.*"session.pending".*\})$/m.exec(page)?.[1] ?? '{}'
  const real = /^data: (\{.*"session.pending".*\})$/m.exec(stdout)?.[1] ?? '{}'
  t.same(Object.keys(JSON.parse(shown) as object), Object.keys(JSON.parse(real) as object))
})

void t.test('the program prints ends of sessions', async (t) => {
  const printed: unknown[][] = []
  const body = program
    .replace(/^import .*$/m, '')
    .replaceAll('process.env.GREENROOM_API_URL', 'url')
    .replaceAll('process.env.GREENROOM_API_KEY', 'apiKey')
    .replace('types:', 'signal, types:')
  const AsyncFunction = (async () => undefined).constructor as new (
    ...args: string[]
  ) => (...args: unknown[]) => Promise<void>
  const stopping = new AbortController()
  const running = new AsyncFunction('createClient', 'url', 'apiKey', 'console', 'signal', body)(
    createClient,
    api.url,
    apiKey,
    { log: (...words: unknown[]) => printed.push(words) },
    stopping.signal,
  )
  await until('it listens', async () => (await api.listeners()) === 1)
  const id = await api.open()
  await api.end(id)
  await until('a line', () => printed.length > 0)
  t.same(printed, [['session.ended', id, 'ended:caller']])
  stopping.abort(new Error('enough'))
  await t.rejects(running, { message: 'enough' })
})

void t.test('curl makes a webhook, and the check takes what is signed with its secret', async (t) => {
  const { stdout } = await run(addWebhook, {})
  const { id, secret } = JSON.parse(stdout) as { id: string; secret: string }
  const { isFromGreenroom } = (await import(`data:text/javascript,${encodeURIComponent(check)}`)) as {
    isFromGreenroom: (secret: string, headers: Record<string, string>, body: string) => boolean
  }
  const timestamp = Math.floor(Date.now() / 1_000)
  const signed = signer.headers(id, { id: '41', timestamp, body: '{}' })
  t.ok(isFromGreenroom(secret, signed, '{}'))
  t.ok(
    isFromGreenroom(secret, { ...signed, 'webhook-signature': `v1,x ${signed['webhook-signature']}` }, '{}'),
  )
  t.notOk(isFromGreenroom(secret, signed, '{"a":1}'))
  t.notOk(isFromGreenroom(secret, { ...signed, 'webhook-id': '42' }, '{}'))
  const old = signer.headers(id, { id: '41', timestamp: timestamp - 400, body: '{}' })
  t.notOk(isFromGreenroom(secret, old, '{}'))
})

import { request } from 'node:http'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import type { Test } from 'tap'
import t from 'tap'
import { startBed } from '../../bed/bed.ts'
import { poolsDocument } from '../../bed/pools-document.ts'
import { until } from '../../bed/processes/until.ts'
import { root } from '../../bed/repository.ts'
import { allowedOrigin, pastedConfiguration, startHttpMcp } from './mcp-processes.ts'
import { agentType, createSessionCaller } from './session-caller.ts'

/** The official client of MCP on a real installation: rooms are LiveKit's, agents are processes. */

t.setTimeout(150_000)
const bed = await startBed({ livekit: true, pools: poolsDocument({ min: 2, max: 3 }) })
t.teardown(() => bed.stop())
const caller = createSessionCaller(bed)
t.teardown(() => caller.client.close())
await caller.untilIdle(2)
const apiUrl = bed.apiUrls[0] ?? ''
const elsewhere = '0198c0de-ffff-7fff-8fff-ffffffffffff'
/** What terminals, shells, pages and templates would obey. */
const hostile = `\u001b[31m"; DROP TABLE sessions; --</script>{{7*7}}\u202e 你好 👋\n$(id)`

interface Answer {
  readonly isError: boolean
  readonly is: Readonly<Record<string, unknown>>
}

async function call(client: Client, name: string, args = {}, signal?: AbortSignal): Promise<Answer> {
  const answer = await client.callTool(
    { name, arguments: args },
    { ...(signal && { signal }), timeout: 60_000 },
  )
  return { isError: answer.isError === true, is: (answer.structuredContent ?? {}) as Answer['is'] }
}

async function openOne(client: Client): Promise<string> {
  const { isError, is } = await call(client, 'open', { agentType, waitSeconds: 30 })
  if (isError) throw new Error(JSON.stringify(is))
  return String(is.sessionId)
}

async function stdioClient(t: Test, env: Record<string, string> = {}): Promise<Client> {
  const configuration = await pastedConfiguration({ apiUrl, apiKey: bed.apiKey })
  const client = new Client({ name: 'test', version: '1' })
  const transport = new StdioClientTransport({
    ...configuration,
    env: { ...configuration.env, ...env },
    cwd: root,
    stderr: 'pipe',
  })
  await client.connect(transport)
  t.teardown(() => client.close())
  return client
}

async function httpClient(t: Test, address: string, apiKey: string): Promise<Client> {
  // The protocol of 2026; over stdio the client speaks that of 2025.
  const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode: 'auto' } })
  const headers = { authorization: `Bearer ${apiKey}` }
  await client.connect(new StreamableHTTPClientTransport(new URL(address), { requestInit: { headers } }))
  t.teardown(() => client.close())
  return client
}

async function live(): Promise<string[]> {
  const { body } = await caller.client.call({ method: 'GET', path: '/v1/sessions?limit=50' })
  return body.sessions.filter(({ status }) => /PENDING|ACTIVE/.test(status)).map(({ id }) => id)
}

/** Takes all pods that there may be, cancels an open that waits for one, and gives one back: nobody takes it. */
async function cancelAnOpen(t: Test, client: Client): Promise<void> {
  const held = await live()
  while (held.length < 3) held.push(await openOne(client))
  const cancelled = new AbortController()
  const opening = call(client, 'open', { agentType, waitSeconds: 50 }, cancelled.signal)
  await until('an open that waits', async () => {
    const { is } = await call(client, 'explain', { about: agentType })
    return is.waiting === 1
  })
  cancelled.abort()
  await t.rejects(opening)
  await call(client, 'end', { sessionId: held[2] })
  await until('only the other two', async () => {
    const ids = await live()
    return ids.length === 2 && ids.every((id) => held.includes(id))
  })
}

void t.test('over stdio, by the configuration that docs/mcp.md has to paste', async (t) => {
  const client = await stdioClient(t)

  await t.test('tools say what they take, and nothing else', async (t) => {
    const { tools } = await client.listTools()
    t.same(
      tools.map(({ name }) => name),
      ['open', 'say', 'end', 'pools', 'explain', 'status', 'doctor'],
    )
    for (const { name, inputSchema, description = '' } of tools) {
      t.equal(inputSchema.additionalProperties, false, name)
      t.ok(description.length > 40 && description.length < 400, `${name}: ${description.length}`)
    }
  })

  await t.test('a conversation: open, say, hear the echo, end', async (t) => {
    t.match((await call(client, 'pools')).is, { pools: [{ agentType, ready: 2 }] })
    const sessionId = await openOne(client)
    t.match(await call(client, 'say', { sessionId, text: 'hello' }), {
      isError: false,
      is: { answer: 'hello' },
    })
    const said = await call(client, 'say', { sessionId, text: hostile })
    t.match(said.is, { answer: hostile, from: `agent-${sessionId}-1` })
    t.comment(`the second answer took ${String(said.is.ms)} ms`)
    const both = await Promise.all(
      ['one', 'two'].map(async (text) => (await call(client, 'say', { sessionId, text })).is.answer),
    )
    t.same(both, ['one', 'two'], 'answers belong to their words')
    t.match(await call(client, 'end', { sessionId }), { isError: false, is: { endReason: 'ended:caller' } })
    t.match(await caller.untilEnded(sessionId), { endReason: 'ended:caller' })
    t.match(await call(client, 'end', { sessionId }), { isError: false, is: { sessionId } }, 'again')
  })

  await t.test('what cannot be done says what to do', async (t) => {
    const cases = [
      ['open', { agentType: 'no-such-agent' }, 'GRN_UNKNOWN_AGENT_TYPE'],
      ['say', { sessionId: elsewhere, text: 'hello' }, 'GRN_NOT_OPENED_HERE'],
      ['end', { sessionId: elsewhere }, 'GRN_SESSION_NOT_FOUND'],
      ['explain', { about: 'GRN_NEVER_HEARD_OF' }, 'GRN_INVALID_REQUEST'],
    ] as const
    for (const [tool, args, code] of cases) {
      const { isError, is } = await call(client, tool, args)
      t.ok(isError, tool)
      t.match(is, { code, message: /./, remedy: /\.$/ }, code)
    }
    for (const args of [{}, { agentType, more: 1 }, { agentType: '../x' }, { agentType, waitSeconds: 1e9 }]) {
      const answer = await client.callTool({ name: 'open', arguments: args })
      t.ok(answer.isError, JSON.stringify(args))
    }
    const long = await client.callTool({
      name: 'say',
      arguments: { sessionId: elsewhere, text: 'x'.repeat(8_001) },
    })
    t.ok(long.isError)
  })

  await t.test('explain, status and doctor', async (t) => {
    t.match((await call(client, 'explain', { about: 'GRN_POOL_EMPTY' })).is, { remedy: /Retry/, status: 503 })
    t.match((await call(client, 'explain', { about: agentType })).is, { agentType, sizing: {} })
    t.match((await call(client, 'status')).is, { state: /ok|attention/, parts: [{ part: 'kubernetes' }] })
    t.match((await call(client, 'doctor')).is, {
      checked: { ok: Number, skipped: Number },
      skipped: [{ detail: /./ }],
      unread: [{ store: 'kubernetes' }, {}, {}],
    })
  })

  await t.test('an open that is cancelled while it waits leaves no session', (t) => cancelAnOpen(t, client))

  await t.test('a client that goes away: its sessions are ended', async (t) => {
    t.equal((await live()).length, 2)
    await client.close()
    await until('no session', async () => (await live()).length === 0)
  })
})

void t.test('without @livekit/rtc-node, say names the package', async (t) => {
  const hook = `import { registerHooks } from 'node:module'; registerHooks({ resolve(name, context, next) { if (name === '@livekit/rtc-node') throw new Error('not installed'); return next(name, context) } })`
  const client = await stdioClient(t, {
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(hook)}`,
  })
  const sessionId = await openOne(client)
  t.match(await call(client, 'say', { sessionId, text: 'hello' }), {
    isError: true,
    is: { code: 'GRN_PACKAGE_MISSING', remedy: /npm install @livekit\/rtc-node/ },
  })
  await client.close()
  await until('no session', async () => (await live()).length === 0)
})

void t.test('over HTTP, each caller with its own key', async (t) => {
  const server = await startHttpMcp(apiUrl)
  t.teardown(() => server.stop())
  const { address } = server
  const admin = await httpClient(t, address, bed.apiKey)
  const { body: reader } = await caller.client.call({
    method: 'POST',
    path: '/v1/keys',
    body: { name: 'reader', scopes: ['pools:read'], projectId: 'tea' },
  })
  const limited = await httpClient(t, address, (reader as unknown as { key: string }).key)

  const sessionId = await openOne(admin)
  t.match((await call(admin, 'say', { sessionId, text: 'over HTTP' })).is, { answer: 'over HTTP' })

  t.match((await call(limited, 'pools')).is, { pools: [{ agentType }] })
  const forbidden = { isError: true, is: { code: 'GRN_FORBIDDEN', remedy: /scope/ } }
  t.match(await call(limited, 'open', { agentType }), forbidden)
  t.match(await call(limited, 'doctor'), forbidden)
  t.match(await call(limited, 'say', { sessionId, text: 'mine?' }), { is: { code: 'GRN_NOT_OPENED_HERE' } })
  t.match(await call(limited, 'end', { sessionId }), { isError: true, is: { code: 'GRN_FORBIDDEN' } })
  t.match((await call(admin, 'doctor')).is, { checked: { skipped: Number } })
  const stranger = await httpClient(t, address, 'a-key-that-nobody-made')
  t.match(await call(stranger, 'open', { agentType }), { isError: true, is: { code: 'GRN_UNAUTHENTICATED' } })

  await t.test('neither without a bearer, nor from a page, nor by another name, nor elsewhere', async (t) => {
    const post = (headers: Record<string, string>, path = '/mcp') =>
      new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
        const { port } = new URL(address)
        const sent = request({ host: '127.0.0.1', port, path, method: 'POST', headers }, (response) => {
          let text = ''
          response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
          response.on('end', () => resolve({ status: response.statusCode, text }))
        })
        sent.on('error', reject)
        sent.end('{}')
      })
    const authorization = `Bearer ${bed.apiKey}`
    t.match(await post({}), { status: 401, text: /GRN_UNAUTHENTICATED/ })
    for (const headers of [{ origin: 'https://evil.example' }, { origin: 'null' }, { host: 'evil.example' }])
      t.match(await post({ authorization, ...headers }), { status: 403, text: /GRN_FORBIDDEN/ })
    const page = {
      origin: allowedOrigin,
      'access-control-request-headers': 'authorization, mcp-protocol-version',
    }
    const { status, headers: allowed } = await fetch(address, { method: 'OPTIONS', headers: page })
    t.equal(status, 204)
    t.equal(allowed.get('access-control-allow-origin'), allowedOrigin)
    t.equal(allowed.get('access-control-allow-headers'), 'authorization, mcp-protocol-version')
    const strange = await fetch(address, { method: 'OPTIONS', headers: { origin: 'https://evil.example' } })
    t.equal(strange.headers.get('access-control-allow-origin'), null)
    t.match(await post({ authorization }, '/other'), { status: 404, text: /GRN_NOT_FOUND/ })
  })

  await t.test('a call whose connection is closed while it waits leaves no session', (t) =>
    cancelAnOpen(t, admin),
  )

  await server.stop()
  t.match(
    await caller.untilEnded(sessionId),
    { endReason: 'ended:caller' },
    'the server ended what it had opened',
  )
})

import { readdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text as readText } from 'node:stream/consumers'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import t, { type Test } from 'tap'
import { startBed } from '../../bed/bed.ts'
import { poolsDocument } from '../../bed/pools-document.ts'
import { until } from '../../bed/processes/until.ts'
import { createClient } from '../../src/client/client.ts'
import { childrenOf, startSpanCollector } from '../support/span-collector.ts'

/**
 * One whole bed with every log at trace and every process traced. What it tells is looked at from both sides: one session is
 * one trace from the caller to the agent in its room, and no log and no span has any of the secrets that were used.
 */

const agentType = 'echo-agent'
const patienceMs = 60_000
const audience = 'https://greenroom.example'

async function startHttp(
  t: Test,
  answer: (path: string, body: string, headers: object) => object | undefined,
) {
  const server = createServer((request, response) => {
    void readText(request).then((body) => {
      const json = answer(request.url ?? '', body, request.headers)
      response
        .writeHead(json ? 200 : 404, { 'content-type': 'application/json' })
        .end(JSON.stringify(json ?? {}))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => void server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const collector = await startSpanCollector(t)
const { publicKey, privateKey } = await generateKeyPair('RS256')
const jwk = { ...(await exportJWK(publicKey)), kid: 'k', alg: 'RS256', use: 'sig' }
const issuer: string = await startHttp(t, (path) => {
  if (path === '/jwks') return { keys: [jwk] }
  return path === '/.well-known/openid-configuration' ? { issuer, jwks_uri: `${issuer}/jwks` } : undefined
})
const hooks: { body: string; headers: Record<string, string> }[] = []
const hookUrl = await startHttp(t, (_path, body, headers) => {
  hooks.push({ body, headers: headers as Record<string, string> })
  return {}
})

const traced = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url }
const command = 'command: ["node", "src/agent/echo-agent.ts"]'
const agentEnv = `env: [{ name: OTEL_EXPORTER_OTLP_ENDPOINT, value: "${collector.url}" }]`
const agentSecret = 'sk-of-every-agent-71c0de'
const bed = await startBed({
  livekit: true,
  logLevel: 'trace',
  openAiKey: agentSecret,
  pools: poolsDocument({ min: 3, max: 12 }).replace(command, `${command}\n      ${agentEnv}`),
  apiEnv: {
    ...traced,
    GREENROOM_OIDC_ISSUER: issuer,
    GREENROOM_OIDC_AUDIENCE: audience,
    GREENROOM_OIDC_SCOPES: 'all=admin',
    GREENROOM_OIDC_SCOPES_CLAIM: 'role',
    GREENROOM_SERVICE_ACCOUNTS: 'ai-agents/default=* sessions:open sessions:read sessions:end',
    GREENROOM_TOKEN_REVIEW: 'true',
    GREENROOM_CORS_ORIGINS: 'https://app.example',
  },
  controllerEnv: { ...traced, GREENROOM_EVENT_NETWORKS: '127.0.0.0/8' },
})
t.teardown(() => bed.stop())
const [url = ''] = bed.apiUrls
const client = createClient({ url, apiKey: bed.apiKey })
await until('idle pods', async () => (await client.pools.get(agentType)).ready === 3, patienceMs)

async function ask(method: string, path: string, bearer: string, body?: object) {
  const answer = await fetch(url + path, {
    method,
    headers: { authorization: `Bearer ${bearer}`, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  })
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
}

void t.test(
  'one session is one trace: claim, statements, scripts, delivery, agent, room, report',
  async (t) => {
    const { status } = await ask('POST', '/v1/webhooks', bed.apiKey, {
      url: hookUrl,
      types: ['session.active'],
    })
    t.equal(status, 201)
    await using session = await client.open({ agentType })
    const spans = () => {
      const root = collector.spans.find(({ name, kind }) => name === 'POST /v1/sessions' && kind === 2)
      const ofTrace = collector.spans.filter(({ traceId }) => traceId === root?.traceId)
      return {
        root,
        ofTrace,
        below: (name: string, kind?: number) =>
          ofTrace.filter((span) => span.name === name && (kind === undefined || span.kind === kind)),
      }
    }
    const reported = 'POST /v1/sessions/:id/joined'
    // Each process sends what has ended once a second.
    const last = [reported, 'report joined', 'join room', 'activate']
    const isWhole = () => last.every((name) => spans().below(name).length > 0) && spans().root !== undefined
    await until('the whole trace', isWhole, patienceMs)
    const { root, ofTrace, below } = spans()
    t.match(root, { service: 'greenroom-api', attributes: { 'http.response.status_code': '201' } })
    t.ok(root?.parentSpanId, 'the caller SDK began it')

    const stages = childrenOf(ofTrace, root).map(({ name }) => name)
    for (const stage of ['reserve', 'commit', 'deliver', 'activate']) t.ok(stages.includes(stage), stage)
    const [reserve] = below('reserve')
    t.match(childrenOf(ofTrace, reserve), [
      { name: 'lua reserveSlot', attributes: { 'db.system.name': 'redis' } },
    ])
    t.match(childrenOf(ofTrace, below('commit')[0]), [{ name: 'sql sessions-open' }])
    t.match(childrenOf(ofTrace, below('activate')[0]), [{ name: 'sql sessions-activate' }])
    const [sent] = below('POST /assign', 3)
    t.equal(sent?.parentSpanId, below('deliver')[0]?.spanId)
    t.match(childrenOf(ofTrace, sent), [{ name: 'POST /assign', kind: 2, service: agentType }])
    const inAgent = childrenOf(ofTrace, childrenOf(ofTrace, sent)[0]).map(({ name }) => name)
    t.same(inAgent.toSorted(), ['join room', 'report joined'])
    t.equal(below(reported)[0]?.parentSpanId, below('report joined')[0]?.spanId)
    t.equal(below(reported)[0]?.service, 'greenroom-api')
    const ids = new Set(ofTrace.map(({ spanId }) => spanId))
    t.same(
      ofTrace.filter((span) => span !== root && !ids.has(span.parentSpanId ?? '')).map(({ name }) => name),
      [],
      'nobody but the caller is a parent that was not collected',
    )

    const stop = new AbortController()
    for await (const event of client.sessions.events(session.id, { after: '0', signal: stop.signal })) {
      if (event.type === 'session.active') {
        t.equal(event.traceparent, `00-${root?.traceId}-${root?.spanId}-01`)
        break
      }
    }
    const hook = await until(
      'the webhook',
      () => hooks.find(({ body }) => body.includes(session.id)),
      patienceMs,
    )
    t.equal(hook.headers.traceparent, `00-${root?.traceId}-${root?.spanId}-01`)
  },
)

/** What the session server itself was given. */
async function secretsOfServer(): Promise<Record<string, string>> {
  const pid = bed.roles.get('api-1')?.pid()
  const environment = (await readFile(`/proc/${pid}/environ`, 'utf8')).split('\0')
  const value = (name: string) =>
    environment.find((line) => line.startsWith(`${name}=`))?.slice(name.length + 1) ?? ''
  const keys = JSON.parse(await readFile(value('GREENROOM_ASSIGN_KEY_FILE'), 'utf8')) as {
    keys: { d: string }[]
  }
  return {
    'bootstrap key': value('GREENROOM_API_KEYS'),
    'HMAC secret': value('GREENROOM_HMAC_SECRET'),
    "LiveKit's secret": value('LIVEKIT_API_SECRET'),
    'assign key': keys.keys[0]?.d ?? '',
    ...(new URL(value('DATABASE_URL')).password && {
      'password of PostgreSQL': decodeURIComponent(new URL(value('DATABASE_URL')).password),
    }),
  }
}

void t.test('no log and no span has a secret, whoever called, also when a call is refused', async (t) => {
  const idToken = await new SignJWT({ role: 'all' })
    .setProtectedHeader({ alg: 'RS256', kid: 'k' })
    .setIssuer(issuer)
    .setAudience(audience)
    .setSubject('ada')
    .setIssuedAt()
    .setExpirationTime('5m')
    .sign(privateKey)
  const account = ['create', 'token', 'default', '-n', bed.namespace, '--audience', 'greenroom']
  const accountToken = (await bed.plane.kubectl(account)).stdout.trim()
  const made = await ask('POST', '/v1/keys', idToken, {
    name: 'k',
    projectId: 'p',
    scopes: ['sessions:open', 'sessions:read', 'sessions:end'],
  })
  t.equal(made.status, 201, 'an OIDC token is taken')
  const apiKey = String(made.body.key)
  const webhook = await ask('POST', '/v1/webhooks', bed.apiKey, { url: `${hookUrl}/again` })
  const jit = 'sk-just-in-time-88aa31'
  const seen: Record<string, string> = {
    ...(await secretsOfServer()),
    'API key': apiKey,
    'its secret part': apiKey.split('_').at(-1) ?? '',
    'OIDC token': idToken,
    'ServiceAccount token': accountToken,
    'webhook secret': String(webhook.body.secret),
    'just-in-time secret': jit,
    "agents' secret": agentSecret,
  }
  const callers = { apiKey, accountToken, idToken, bootstrap: bed.apiKey }
  const calls = Object.entries(callers).map(async ([who, bearer]) => {
    const opened = await ask('POST', '/v1/sessions', bearer, {
      agentType,
      browserToken: true,
      secrets: { KEY: jit },
    })
    t.equal(opened.status, 201, `${who}: ${JSON.stringify(opened.body)}`)
    const { id, epoch, livekit, browserToken } = opened.body as {
      id: string
      epoch: number
      livekit: { token: string }
      browserToken: { token: string }
    }
    seen[`LiveKit token of ${who}`] = livekit.token
    seen[`browser token of ${who}`] = browserToken.token
    t.equal((await ask('POST', `/v1/sessions/${id}/renew`, browserToken.token, { epoch })).status, 200)
    t.equal((await ask('GET', `/v1/sessions/${id}?token=${bearer}`, bearer)).status, 400)
    t.equal((await ask('POST', '/v1/sessions', bearer, { agentType, key: bearer, secrets: jit })).status, 400)
    t.equal((await ask('GET', '/v1/nothing', bearer)).status, 404)
    t.equal((await ask('GET', '/v1/pools', `${bearer.slice(0, -9)}aaaaaaaaa`)).status, 401)
    await until(
      'the agent in its room',
      async () => (await client.sessions.get(id)).agentJoinedAt !== undefined,
      patienceMs,
    )
    t.equal((await ask('DELETE', `/v1/sessions/${id}?wait=true`, bearer)).status, 200)
  })
  await Promise.all(calls)

  // What the parts keep of their own (keys, kubeconfigs, the data of etcd and PostgreSQL) is no log.
  const files = await readdir(bed.folder, { recursive: true })
  const logs = files.filter((path) => path.endsWith('.log')).map((path) => join(bed.folder, path))
  const texts = await Promise.all(logs.map(async (path) => ({ path, text: await readFile(path, 'latin1') })))
  const holding = (secret: string) =>
    texts.filter(({ text }) => text.includes(secret)).map(({ path }) => path)
  t.ok(holding('request refused').length > 0, 'the search finds what is there')
  for (const part of [
    'api-1',
    'controller',
    'webhook',
    'livekit',
    'postgres',
    'redis',
    'audit',
    `${agentType}-`,
  ])
    t.ok(
      logs.some((path) => path.includes(part)),
      `a log of ${part}`,
    )
  for (const [what, secret] of Object.entries(seen)) {
    t.ok(secret.length >= 8, `${what} is known`)
    t.same(holding(secret), [], what)
    t.notOk(
      collector.asked.some((one) => one.text.includes(secret)),
      `${what} in a span`,
    )
  }
  t.ok(collector.spans.length > 50)
})

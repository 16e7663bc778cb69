import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { Registry } from 'prom-client'
import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { builtInPolicy } from '../../src/admission/rules/check-policy.ts'
import type { LeaderFindings } from '../../src/domain/leader-findings.ts'
import { createStatusProbes } from '../../src/roles/status-probes.ts'
import { createWebhookReplicas } from '../../src/roles/webhook-replicas.ts'
import { createPostgresLeaderReports } from '../../src/stores/postgres-leader-reports.ts'
import { createAdmissionHour } from '../../src/webhook/admission-hour.ts'
import type { WebhookReplicaStatus } from '../../src/webhook/status-route.ts'
import { createWebhookOpsApp } from '../../src/webhook/webhook-ops-app.ts'
import { postgresFor, startDatabase } from '../stores/store-servers.ts'
import { silent } from '../support/kept-log.ts'

/** PostgreSQL and the webhook's ops server are real. The rest of what is asked says what a test wants. */

const database = await startDatabase(t)
const dayMs = 86_400_000
const now = Date.UTC(2026, 0, 1)
const inForce = { seen: '7', applied: '7', problems: undefined }
const findings: LeaderFindings = {
  drift: undefined,
  broken: {},
  frozen: [],
  assignKeys: 1,
  documents: {
    pools: inForce,
    policy: { ...inForce, applied: '6', problems: ['/types/a: is wrong', 'more'] },
  },
  since: {},
}
type Deps = Parameters<typeof createStatusProbes>[0]

async function start(
  t: Parameters<typeof postgresFor>[0],
  more: Partial<Deps> = {},
  at: { readonly url?: string } = {},
) {
  const postgres = await postgresFor(t, database, at)
  const leaderReports = createPostgresLeaderReports(postgres)
  const ping = async () => void (await postgres.durable.query('SELECT 1'))
  const probes = createStatusProbes({
    pods: { synced: () => true, staleSince: () => undefined },
    pools: { status: () => inForce },
    stores: { ping, probeRedis: async () => true, leaderReports },
    indexIsWell: () => true,
    askLiveKit: undefined,
    askWebhooks: undefined,
    readLease: async () => ({ spec: { holderIdentity: 'replica-1' } }),
    clock: () => now,
    ...more,
  })
  const signal = AbortSignal.timeout(5_000)
  return {
    postgres,
    leaderReports,
    found: (part: keyof typeof probes) => probes[part](signal),
  }
}

void t.test('what serves, what does not, and what there is none of', async (t) => {
  const well = await start(t)
  t.match(await well.found('kubernetes'), { state: 'ok' })
  t.match(await well.found('postgresql'), { state: 'ok' })
  t.match(await well.found('redis'), { state: 'ok' })
  t.match(await well.found('livekit'), { state: 'off' })
  t.match(await well.found('webhook'), { state: 'off', detail: /GREENROOM_WEBHOOK_OPS_URL/ })
  const ill = await start(
    t,
    {
      pods: { synced: () => true, staleSince: () => 1_000 },
      indexIsWell: () => false,
      askLiveKit: () => Promise.reject(new Error('LiveKit did not list its rooms: fetch failed.')),
      pools: { status: () => ({ seen: '8', applied: '7', problems: ['/pools/a/min: is not a number'] }) },
    },
    { url: 'postgres://nobody@127.0.0.1:1/none' },
  )
  t.match(await ill.found('kubernetes'), { state: 'degraded', since: 1_000 })
  t.match(await ill.found('postgresql'), { state: 'down', detail: /^PostgreSQL does not answer: .*[^.]\.$/ })
  t.match(await ill.found('redis'), { state: 'degraded', detail: /index/ })
  t.match(await ill.found('livekit'), { state: 'down', detail: /fetch failed\.$/ })
  t.match(await ill.found('controller'), { state: 'unknown', leader: 'replica-1' }, 'the Lease is not enough')
  t.match(await ill.found('agent-pools'), {
    state: 'degraded',
    detail: 'Refused, and the one before stays in force: /pools/a/min: is not a number.',
    generation: { seen: '8', applied: '7' },
  })
  const never = await start(t, {
    pods: { synced: () => false, staleSince: () => undefined },
    stores: { ...ill, ping: async () => {}, probeRedis: async () => false },
    pools: { status: () => ({}) },
  })
  t.match(await never.found('kubernetes'), { state: 'down' })
  t.match(await never.found('redis'), { state: 'down' })
  t.match(await never.found('agent-pools'), {
    state: 'degraded',
    detail: 'No version of it was ever accepted.',
  })
})

void t.test('the controller: the Lease and what the leader noted', async (t) => {
  const bed = await start(t)
  t.match(await bed.found('controller'), {
    state: 'down',
    detail: /No controller has led yet/,
    leader: 'replica-1',
  })
  await bed.leaderReports.post('replica-1', findings)
  t.match(await bed.found('controller'), { state: 'ok', leader: 'replica-1' })
  t.match(
    await bed.found('agent-policy'),
    {
      state: 'degraded',
      detail: /\/types\/a: is wrong, and 1 more\.$/,
      generation: { seen: '7', applied: '6' },
    },
    'as the controller sees it, where the webhook is not asked',
  )
  await bed.postgres.durable.query(`UPDATE leader_report SET at = now() - interval '2 minutes'`)
  t.match(await bed.found('controller'), { state: 'down', detail: /noted nothing for 1[12]\d s/ })
  const free = await start(t, { readLease: async () => ({ spec: { holderIdentity: '' } }) })
  t.match(await free.found('controller'), { state: 'down', detail: /No replica holds the Lease/ })
  await free.leaderReports.post('replica-2', findings)
  t.match(await free.found('controller'), { state: 'ok', leader: 'replica-2' }, 'between two terms')
})

void t.test('a replica of the webhook, over its ops port; ready or not', async (t) => {
  let ready = true
  let endsAt: number | undefined = now + 20.85 * dayMs
  const app = await createWebhookOpsApp({
    policy: () => builtInPolicy,
    assignKeys: () => '',
    registry: new Registry(),
    logger: silent,
    checks: () => ({ policy: ready ? 'ok' : 'failed' }),
    hour: createAdmissionHour('webhook-1', () => now),
    replica: 'webhook-1',
    certificateEndsAt: () => endsAt,
    policyStatus: () => ({ seen: '9', applied: '9' }),
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(() => app.close())
  const { port } = app.server.address() as AddressInfo
  const askWebhooks = createWebhookReplicas(`http://127.0.0.1:${port}`)
  const { postgres, leaderReports } = await start(t)
  await leaderReports.post('replica-1', findings)
  /** Answers are kept for a moment, so each look is of a replica of the API that has asked nothing. */
  const look = async (part: 'webhook' | 'webhook-certificate' | 'agent-policy') =>
    (await start(t, { askWebhooks }, postgres)).found(part)
  t.match(await look('webhook'), { state: 'ok', detail: '1 of 1 replicas are ready.' })
  t.match(await look('webhook-certificate'), { state: 'ok', daysLeft: 20.8 })
  t.match(await look('agent-policy'), { state: 'ok', generation: { seen: '9', applied: '9' } })
  ready = false
  endsAt = now + 1.5 * dayMs
  t.match(await look('webhook'), { state: 'down', detail: '0 of 1 replicas are ready.' })
  t.match(await look('webhook-certificate'), { state: 'degraded', daysLeft: 1.5 })
  endsAt = now - 1
  t.match(await look('webhook-certificate'), { state: 'down', detail: /^It ended at / })
  endsAt = undefined
  t.match(await look('webhook-certificate'), { state: 'unknown' })
  await app.close()
  await until('the port to be closed', async () => (await look('webhook')).state === 'unknown')
  t.match(await look('webhook'), { detail: '0 of 1 replicas are ready, and 1 do not answer.' })
  t.match(await look('agent-policy'), { detail: /types\/a/ }, 'the controller tells it then')
  const nowhere = await start(t, {
    askWebhooks: createWebhookReplicas('http://no-such-service.invalid:3002'),
  })
  await t.rejects(nowhere.found('webhook'), /ENOTFOUND|EAI_AGAIN/, 'whoever asks calls that unknown')
})

void t.test('a replica that takes a connection and says nothing counts as silent, in time', async (t) => {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => void sockets.add(socket)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const askWebhooks = createWebhookReplicas(`http://127.0.0.1:${port}`)
  // Nobody but the function itself ends this question.
  t.match(await askWebhooks('/status', new AbortController().signal), [{ answer: undefined }])
  const { found } = await start(t, { askWebhooks })
  t.match(await found('webhook'), {
    state: 'unknown',
    detail: '0 of 1 replicas are ready, and 1 do not answer.',
  })
})

void t.test('several replicas of the webhook', async (t) => {
  const replica = (changed: Partial<WebhookReplicaStatus>): WebhookReplicaStatus => ({
    replica: 'webhook-1',
    ready: true,
    checks: {},
    certificateEndsAt: new Date(now + 9 * dayMs).toISOString(),
    policy: { seen: '9', applied: '9' },
    ...changed,
  })
  const of = (...answers: (WebhookReplicaStatus | undefined)[]) =>
    start(t, {
      askWebhooks: async <T>() =>
        answers.map((answer) => ({ url: 'http://10.0.0.1:3002', answer: answer as T | undefined })),
    })
  const mixed = await of(
    replica({}),
    replica({ ready: false, policy: { seen: '9', applied: '8' } }),
    undefined,
  )
  t.match(await mixed.found('webhook'), {
    state: 'degraded',
    detail: '1 of 3 replicas are ready, and 1 do not answer.',
  })
  t.match(await mixed.found('agent-policy'), { state: 'degraded', detail: /different versions/ })
  const ends = await of(replica({}), replica({ certificateEndsAt: new Date(now + 3 * dayMs).toISOString() }))
  t.match(await ends.found('webhook-certificate'), { state: 'ok', daysLeft: 3 }, 'the first that ends')
  const refused = await of(
    replica({}),
    replica({ policy: { seen: '10', applied: '9', problems: ['/x: no'] } }),
  )
  t.match(await refused.found('agent-policy'), { state: 'degraded', detail: /\/x: no/ })
})

import t from 'tap'
import { startBed } from '../../bed/bed.ts'
import { poolsDocument } from '../../bed/pools-document.ts'
import { until } from '../../bed/processes/until.ts'
import { type AnswerBody, type BedAnswer, createBedClient } from '../../bed/replicas/bed-client.ts'
import { startTcpProxy } from '../../bed/servers/tcp-proxy.ts'
import { assertInvariants } from '../support/invariants.ts'
import { pidOfPod } from '../support/pod-process.ts'
import { agentType, createSessionCaller } from './session-caller.ts'

/** Faults around real processes: the answer of the API is lost, and PostgreSQL is away (docs/claims.md). */

const min = 6
const bed = await startBed({
  replicas: 2,
  pools: poolsDocument({
    min,
    max: 20,
    more: 'lease: { defaultSeconds: 60, minSeconds: 1, maxSeconds: 3600 }',
  }),
  apiEnv: {
    LIVEKIT_URL: 'ws://livekit.example:7880',
    LIVEKIT_API_KEY: 'devkey',
    LIVEKIT_API_SECRET: 'a-secret-of-at-least-32-characters!',
  },
})
const [firstUrl = '', secondUrl = ''] = bed.apiUrls
const { client, open: opened, untilIdle } = createSessionCaller(bed)
const other = createBedClient({ url: secondUrl, apiKey: bed.apiKey })
t.teardown(async () => {
  client.close()
  other.close()
  await bed.stop()
})

await untilIdle(min)

const end = (sessions: readonly { readonly id: string }[]): Promise<BedAnswer[]> =>
  Promise.all(sessions.map(({ id }) => client.end(id, '?wait=true')))

void t.test(
  'the answer of the API is lost: the same key at another replica is one session, a fresh token',
  async (t) => {
    const proxy = await startTcpProxy({ port: Number(new URL(firstUrl).port) })
    t.teardown(() => proxy.stop())
    const far = createBedClient({ url: `http://${proxy.host}:${proxy.port}`, apiKey: bed.apiKey })
    t.teardown(() => far.close())
    const headers = { 'idempotency-key': 'lost-answer' }
    const request = { agentType, metadata: { n: 1 } }
    proxy.set('drop-replies')
    const lost = t.rejects(far.open(request, headers), 'nobody heard')
    const session = await until('the session', async () => {
      const { body } = await client.call({ method: 'GET', path: '/v1/sessions?status=ACTIVE' })
      return body.sessions[0]
    })
    proxy.cut()
    await lost
    const again = await other.open(request, headers)
    t.match(again, { status: 200, body: { id: session.id, pod: session.pod, epoch: 1 } })
    t.equal(typeof again.body.livekit?.token, 'string')
    t.match(await other.open({ agentType, metadata: { n: 2 } }, headers), { status: 422 })
    t.equal((await client.pool(agentType)).body.claimed, 1, 'one pod')
    await end([session])
  },
)

void t.test('10 s without PostgreSQL end not one session, however short its lease', async (t) => {
  await untilIdle(min)
  const outageMs = 10_000
  const brief: AnswerBody[] = []
  for (const leaseSeconds of [1, 2, 3]) brief.push(await opened({ leaseSeconds }))
  const slow = [await opened({ leaseSeconds: 6 }), await opened({ leaseSeconds: 7 })]
  const sessions = [...brief, ...slow]
  await bed.postgres.stop()
  const begun = performance.now()
  const refused = await other.open({ agentType })
  t.match(refused, { status: 503, body: { code: 'GRN_DATABASE_UNAVAILABLE' } })
  t.match(refused.headers['retry-after'], /^\d+$/)
  t.ok(refused.ms < 2_000, `${Math.round(refused.ms)} ms`)
  const slowAgents = await Promise.all(slow.map(({ pod }) => pidOfPod(pod.uid)))
  await until('the outage is over', () => performance.now() - begun > outageMs, outageMs + 5_000)
  // Agents that do not renew in the moment in which they can again: only the time they are given keeps them. Stopped no
  // earlier, for the kubelet takes an agent that answers no probe for ten seconds for dead.
  for (const pid of slowAgents) process.kill(pid, 'SIGSTOP')
  await bed.postgres.restart()
  const back = performance.now()
  await until('leases were looked at', () => performance.now() - back > 2_500)
  for (const pid of slowAgents) process.kill(pid, 'SIGCONT')
  const statuses = () =>
    Promise.all(
      sessions.map(async ({ id }) => {
        const { body } = await other.read(id)
        return [body.status, body.endReason]
      }),
    )
  // Beyond the longest lease after the gap: whatever would end because of it has ended by then.
  await until('time enough', () => performance.now() - back > 12_000, 20_000)
  for (const status of await statuses())
    t.strictSame(status, ['ACTIVE', undefined], 'its agent has renewed since')
  await end(sessions)
  await untilIdle(min)
})

void t.test('the invariants hold', async (t) => {
  await assertInvariants(t, bed)
})

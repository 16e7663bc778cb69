import { Redis } from 'ioredis'
import t from 'tap'
import { startBed } from '../../bed/bed.ts'
import { poolsDocument } from '../../bed/pools-document.ts'
import { until } from '../../bed/processes/until.ts'
import { createBedClient } from '../../bed/replicas/bed-client.ts'
import { pidOfPod } from '../support/pod-process.ts'
import { everyKey, everyObject, everyTable, filesWith } from '../support/secret-search.ts'

/** Just-in-time secrets through every outcome of an open, with every log at trace; then the search for them. */

const min = 4
const bed = await startBed({
  replicas: 2,
  proxied: true,
  logLevel: 'trace',
  pools: poolsDocument({ min, max: 20 }),
})
const agentType = 'echo-agent'
const [client, other] = bed.apiUrls.map((url) => createBedClient({ url, apiKey: bed.apiKey }))
if (!client || !other) throw new Error('two replicas')
t.teardown(async () => {
  client.close()
  other.close()
  await bed.stop()
})
await until(`${min} idle pods`, async () => (await client.pool(agentType)).body.ready === min, 60_000)

const secret = 'sk-just-in-time-5f2c9a'
const marker = 'metadata-is-kept-5f2c9a'
const secrets = { KEY: secret }

/** The idle pod that the index hands out first. */
async function nextPod(): Promise<string> {
  const redis = new Redis(bed.redis.url)
  const [podUid = ''] = await redis.zrange(`greenroom:{${agentType}}:ready`, '0', '0')
  redis.disconnect()
  return podUid
}

async function setPools(text: string): Promise<void> {
  const patch = JSON.stringify({ data: { 'pools.yaml': text } })
  await bed.plane.kubectl([
    'patch',
    'configmap',
    'agent-pools',
    '-n',
    bed.namespace,
    '--type=merge',
    '-p',
    patch,
  ])
}

void t.test(
  'a just-in-time secret is in its pod and nowhere at rest, whatever becomes of the open',
  async (t) => {
    const request = { agentType, secrets, metadata: { marker } }
    const headers = { 'idempotency-key': 'with-secrets' }
    const first = await client.open(request, headers)
    t.equal(first.status, 201)
    t.match(await other.open(request, headers), { status: 200 })
    t.match(await client.open({ ...request, secrets: { KEY: `${secret}-2` } }, headers), { status: 422 })
    const refusals: readonly (readonly [number, object | string])[] = [
      [400, { ...request, colour: secret }],
      [400, { ...request, secrets: { KEY: [secret] } }],
      [400, `{"agentType": "${agentType}", "secrets": {"KEY": "${secret}"`],
      [404, { ...request, agentType: 'nobody' }],
      [413, { ...request, metadata: { text: 'x'.repeat(300_000) } }],
      [503, { ...request, agentType: 'stella-light', onEmpty: 'fail' }],
    ]
    for (const [status, body] of refusals) {
      const answer = await client.call({ method: 'POST', path: '/v1/sessions', body })
      t.equal(answer.status, status, answer.text.slice(0, 200))
      t.notMatch(answer.text, secret)
    }
    // A pod that does not answer in time, and the next one that does.
    const mute = await pidOfPod(await nextPod())
    process.kill(mute, 'SIGSTOP')
    const delivered = await client.open({ agentType, secrets })
    process.kill(mute, 'SIGCONT')
    t.match(delivered, { status: 201, body: { epoch: 2 } }, 'the first pod did not take it')
    // A cold open with secrets is held open until the pool has made a pod.
    await setPools(poolsDocument({ min: 0, max: 20 }))
    await until('no idle pod', async () => (await client.pool(agentType)).body.ready === 0, 30_000)
    const cold = await client.open({ agentType, secrets, onEmpty: 'cold' })
    t.equal(cold.status, 201, cold.text)
    bed.proxies?.postgres.set('refuse')
    t.match(await client.open({ agentType, secrets }, { 'idempotency-key': 'no-database' }), { status: 503 })
    bed.proxies?.postgres.set('pass')
    await until('PostgreSQL is back', async () => (await client.read(first.body.id)).status === 200)

    const places = {
      PostgreSQL: await everyTable(bed),
      Redis: await everyKey(bed),
      Kubernetes: await everyObject(bed),
    }
    t.match(places.PostgreSQL, marker, 'the search finds what is there')
    t.match(places.Kubernetes, first.body.id, 'in Kubernetes too')
    t.match(places.Redis, agentType)
    for (const [place, text] of Object.entries(places)) t.notOk(text.includes(secret), place)
    t.ok((await filesWith(bed, marker)).length > 0, 'and in files')
    t.strictSame(await filesWith(bed, secret), [], 'no log, no data file, no write-ahead log')
  },
)

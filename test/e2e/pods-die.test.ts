import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { Client } from 'pg'
import t from 'tap'
import { startBed } from '../../bed/bed.ts'
import { poolsDocument } from '../../bed/pools-document.ts'
import { until } from '../../bed/processes/until.ts'
import type { AnswerBody } from '../../bed/replicas/bed-client.ts'
import { poolKeys } from '../../src/stores/redis-keys.ts'
import { pidOfPod } from '../support/pod-process.ts'
import { agentType, createSessionCaller } from './session-caller.ts'

/** Pods die under a real API server in every way that this bed can bring about; the bounds are those of docs/claims.md. */

// A dozen pods have to die, one after the other, each with its refill.
t.setTimeout(300_000)
const min = 3
const nodeLostSeconds = 3
const bed = await startBed({
  pools: poolsDocument({ min, max: 20 }),
  controllerEnv: { GREENROOM_NODE_LOST_SECONDS: String(nodeLostSeconds) },
})
const caller = createSessionCaller(bed)
const { client, kubectl } = caller
t.teardown(async () => {
  client.close()
  await bed.stop()
})
/** From the API server's knowledge of a death to the end of the session. */
const endBoundMs = 10_000
/** One kubelet of this machine's many processes is slower than that to report. */
const reportMs = 5_000

const untilIdle = () =>
  until(
    `${min} idle pods`,
    async () => {
      const { body } = await client.pool(agentType)
      return body.ready === min && body.warming === 0
    },
    60_000,
  )
await untilIdle()

async function open(): Promise<AnswerBody> {
  await untilIdle()
  return caller.open()
}

interface PodJson {
  readonly metadata: { readonly name: string; readonly uid: string; readonly labels: Record<string, string> }
  readonly status: {
    readonly conditions: readonly { type: string; status: string; reason?: string }[]
    readonly containerStatuses: readonly { name: string }[]
  }
}

const readPod = async (name: string): Promise<PodJson> =>
  JSON.parse(await kubectl('get', 'pod', name, '-o', 'json'))

/** As a kubelet or a node controller would write it. */
async function patchStatus(name: string, status: object): Promise<void> {
  await kubectl(
    'patch',
    'pod',
    name,
    '--subresource=status',
    '--type=strategic',
    '-p',
    JSON.stringify({ status }),
  )
}

async function idlePod(): Promise<PodJson> {
  await untilIdle()
  const { items } = JSON.parse(
    await kubectl('get', 'pods', '-l', 'greenroom.dev/state=idle', '-o', 'json'),
  ) as { items: PodJson[] }
  const [pod] = items
  if (!pod) throw new Error('no idle pod')
  return pod
}

async function untilReason(id: string, boundMs: number): Promise<string> {
  return until(
    `the end of ${id}`,
    async () => {
      const { body } = await client.read(id)
      return body.endReason !== undefined && body.endReason
    },
    boundMs,
  )
}

const disrupted = (reason: string) => ({
  conditions: [
    { type: 'DisruptionTarget', status: 'True', reason, lastTransitionTime: new Date().toISOString() },
  ],
})
const unready = (reason?: string) => [
  { type: 'Ready', status: 'False', lastTransitionTime: new Date().toISOString(), ...(reason && { reason }) },
]

interface Death {
  readonly what: string
  readonly reason: string
  readonly boundMs?: number
  readonly kill: (pod: { name: string; uid: string }) => Promise<unknown>
}

const deaths: readonly Death[] = [
  {
    what: 'kill -9 of the agent',
    reason: 'pod:died',
    boundMs: endBoundMs + reportMs,
    kill: async ({ uid }) => process.kill(await pidOfPod(uid), 'SIGKILL'),
  },
  {
    what: 'kubectl delete',
    reason: 'pod:deleted',
    kill: ({ name }) => kubectl('delete', 'pod', name, '--wait=false'),
  },
  {
    what: 'kubectl delete --force',
    reason: 'pod:deleted',
    kill: ({ name }) => kubectl('delete', 'pod', name, '--force', '--grace-period=0', '--wait=false'),
  },
  {
    what: 'its node deleted (PodGC)',
    reason: 'pod:node-lost',
    async kill({ name }) {
      await patchStatus(name, { phase: 'Failed', ...disrupted('DeletionByPodGC') })
      // Greenroom may have been first.
      await kubectl(
        'delete',
        'pod',
        name,
        '--force',
        '--grace-period=0',
        '--wait=false',
        '--ignore-not-found',
      )
    },
  },
  {
    what: 'evicted by the taint manager',
    reason: 'pod:node-lost',
    async kill({ name }) {
      await patchStatus(name, disrupted('DeletionByTaintManager'))
      await kubectl('delete', 'pod', name, '--wait=false', '--ignore-not-found')
    },
  },
  {
    what: 'its node silent for longer than is allowed',
    reason: 'pod:node-lost',
    boundMs: nodeLostSeconds * 1_000 + endBoundMs,
    kill: ({ name }) => patchStatus(name, { conditions: unready() }),
  },
  {
    what: 'container replaced',
    reason: 'pod:died',
    async kill({ name }) {
      const [container] = (await readPod(name)).status.containerStatuses
      await patchStatus(name, {
        containerStatuses: [{ ...container, containerID: 'process://another' }],
      })
    },
  },
  {
    what: 'finished early',
    reason: 'pod:died',
    async kill({ name }) {
      const [container] = (await readPod(name)).status.containerStatuses
      const terminated = { exitCode: 0, reason: 'Completed' }
      const containerStatuses = [{ ...container, ready: false, state: { running: null, terminated } }]
      await patchStatus(name, { phase: 'Succeeded', containerStatuses })
    },
  },
]

for (const { what, reason, boundMs = endBoundMs, kill } of deaths) {
  void t.test(`claimed: ${what} → ${reason}, and the pod goes`, async (t) => {
    const { id, pod } = await open()
    await kill(pod)
    const begun = performance.now()
    t.equal(await untilReason(id, boundMs), reason)
    t.comment(`${what}: known as over after ${Math.round(performance.now() - begun)} ms`)
    await until('ENDED', async () => (await client.read(id)).body.status === 'ENDED', 60_000)
    await until(
      'no pod',
      async () => !(await kubectl('get', 'pods', '-o', 'name')).includes(pod.name),
      60_000,
    )
  })
}

void t.test(
  'idle: killed, deleted by force, replaced: never handed out, and replaced by another',
  async (t) => {
    const dead = new Set<string>()
    for (const what of ['kill -9 of the agent', 'kubectl delete --force', 'container replaced']) {
      const { metadata } = await idlePod()
      dead.add(metadata.uid)
      const begun = performance.now()
      await deaths.find((death) => death.what === what)?.kill(metadata)
      await until(
        `${what} is seen`,
        async () => !(await kubectl('get', 'pods', '-o', 'name')).includes(metadata.name),
        endBoundMs + reportMs + 30_000,
      )
      const goneMs = Math.round(performance.now() - begun)
      const session = await open()
      t.comment(
        `${what}: gone after ${goneMs} ms, refilled after ${Math.round(performance.now() - begun)} ms`,
      )
      t.notOk(dead.has(session.pod.uid), what)
      await client.end(session.id, '?wait=true')
    }
    await untilIdle()
  },
)

void t.test('one failed probe ends nothing', async (t) => {
  const { id, pod } = await open()
  const before = Date.now()
  await patchStatus(pod.name, {
    conditions: [
      ...unready('ContainersNotReady'),
      { type: 'ContainersReady', status: 'False', reason: 'ContainersNotReady' },
    ],
  })
  await until(
    'longer than a silent node has',
    () => Date.now() - before > (nodeLostSeconds + 3) * 1_000,
    20_000,
  )
  t.equal((await client.read(id)).body.status, 'ACTIVE')
  await patchStatus(pod.name, {
    conditions: [
      { type: 'Ready', status: 'True', lastTransitionTime: new Date().toISOString() },
      { type: 'ContainersReady', status: 'True' },
    ],
  })
  t.equal((await client.read(id)).body.status, 'ACTIVE')
  t.match(await client.end(id, '?wait=true'), { status: 200, body: { endReason: 'ended:caller' } })
})

/** Writes pods with the rights of the session server, as whoever finds a way around the webhook would. */
const asServer = '--as=system:serviceaccount:ai-agents:session-management-sa'
/** Seen without a note for 5 s, by a look that comes every 2 s; the rest is for deletions on a busy machine. */
const strangerBoundMs = 20_000

async function retiredFor(uid: string): Promise<string | undefined> {
  const database = new Client({ connectionString: bed.databaseUrl })
  await database.connect()
  const { rows } = await database.query<{ reason: string }>(
    `SELECT reason FROM pod_claims WHERE pod_uid = $1 AND purpose = 'retired'`,
    [uid],
  )
  await database.end()
  return rows[0]?.reason
}

void t.test(
  'a pod with every label of the pool that the controller did not make serves nobody',
  async (t) => {
    const { metadata, spec } = (await idlePod()) as PodJson & { spec: Record<string, unknown> }
    const { nodeName: _node, ...specification } = spec
    const body = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...metadata, name: 'stranger', uid: undefined, resourceVersion: undefined },
      spec: specification,
    }
    const file = join(bed.folder, 'stranger.json')
    await writeFile(file, JSON.stringify(body))
    await kubectl('create', '-f', file, asServer)
    const stranger = await readPod('stranger')
    const redis = new Redis(bed.redis.url)
    t.teardown(() => redis.disconnect())
    const { uid } = stranger.metadata
    const opened: AnswerBody[] = []
    const begun = performance.now()
    await until(
      'retired',
      async () => {
        // First in the index all the time, and opens all the while.
        await redis.zadd(poolKeys(agentType).ready, 0, uid)
        const { status, body } = await client.open({ agentType, onEmpty: 'wait', waitMs: 1_000 })
        if (status === 201) opened.push(body)
        return (await retiredFor(uid)) !== undefined
      },
      strangerBoundMs,
    )
    t.comment(`${opened.length} sessions within ${Math.round(performance.now() - begun)} ms`)
    t.equal(await retiredFor(uid), 'not created by the controller')
    t.ok(opened.length > 0)
    t.notOk(opened.some(({ pod }) => pod.uid === uid))
    await until(
      'deleted',
      async () => !(await kubectl('get', 'pods', '-o', 'name')).includes('stranger'),
      45_000,
    )
    t.match(await kubectl('get', 'events', '-o', 'json'), /ForeignPoolPod/)
    await Promise.all(opened.map(({ id }) => client.end(id, '?wait=true')))
    await untilIdle()
  },
)

void t.test('an idle pod whose image somebody changes is replaced, and serves nobody', async (t) => {
  const { metadata } = await idlePod()
  const patch = JSON.stringify([{ op: 'replace', path: '/spec/containers/0/image', value: 'greenroom:evil' }])
  await kubectl('patch', 'pod', metadata.name, '--type=json', '-p', patch, asServer)
  await until('retired', async () => (await retiredFor(metadata.uid)) !== undefined, strangerBoundMs)
  t.equal(await retiredFor(metadata.uid), 'changed after it was created')
  // Until then the report of the pool may still be the one from before.
  await until(
    'deleted',
    async () => !(await kubectl('get', 'pods', '-o', 'name')).includes(metadata.name),
    45_000,
  )
  await untilIdle()
})

void t.test('a claimed pod whose session is gone is removed within 60 s', async (t) => {
  const { id, pod } = await open()
  // As after a restore of the database that forgot the session and not the claim.
  const database = new Client({ connectionString: bed.databaseUrl })
  await database.connect()
  await database.query('DELETE FROM sessions WHERE id = $1', [id])
  await database.end()
  const begun = performance.now()
  await until('no pod', async () => !(await kubectl('get', 'pods', '-o', 'name')).includes(pod.name), 60_000)
  t.comment(`removed after ${Math.round(performance.now() - begun)} ms`)
})

void t.test(
  'a controller that was away while pods were deleted ends their sessions when it is back',
  async (t) => {
    const { id, pod } = await open()
    const controller = bed.roles.get('controller')
    const again = controller?.restart('SIGKILL')
    await kubectl('delete', 'pod', pod.name, '--force', '--grace-period=0', '--wait=false')
    await again
    // The Lease of the one that was killed has to run out first.
    t.equal(await untilReason(id, 40_000), 'pod:deleted')
    await untilIdle()
  },
)

import { AdmissionregistrationV1Api, CoreV1Api } from '@kubernetes/client-node'
import t from 'tap'
import { startBed } from '../../bed/bed.ts'
import { poolsDocument } from '../../bed/pools-document.ts'
import { until } from '../../bed/processes/until.ts'
import { createBedClient } from '../../bed/replicas/bed-client.ts'

/** All replicas of everything die at once, with bad documents in the cluster: it all comes back as it was. */

// Two rounds of a refill, and seven processes that start twice.
t.setTimeout(240_000)
const agentType = 'echo-agent'
const pools = poolsDocument({ min: 2, max: 6 })
const bed = await startBed({ replicas: 1, webhooks: 3, pools })
const client = createBedClient({ url: bed.apiUrls[0] ?? '', apiKey: bed.apiKey, keepAlive: false })
t.teardown(async () => {
  client.close()
  await bed.stop()
})
const { namespace } = bed
const core = bed.plane.admin().makeApiClient(CoreV1Api)
const documents = {
  'agent-pools': { key: 'pools.yaml', bad: 'pools: { echo-agent: 1 }' },
  'agent-policy': { key: 'policy.yaml', bad: 'version: "1"' },
} as const
type Name = keyof typeof documents

async function kept(name: Name): Promise<string | undefined> {
  const configMap = await core
    .readNamespacedConfigMap({ namespace, name: `${name}-accepted` })
    .catch(() => undefined)
  return configMap?.data?.[documents[name].key]
}

/** What the API server says to it; '' if it takes the text. */
async function write(name: Name, text: string): Promise<string> {
  const body = { metadata: { name, namespace }, data: { [documents[name].key]: text } }
  return core.replaceNamespacedConfigMap({ namespace, name, body }).then(
    () => '',
    (error: Error) => error.message,
  )
}

/** Of the entry that asks who may write the policy. The API server notices a moment later. */
async function setOwnersPolicy(failurePolicy: 'Fail' | 'Ignore'): Promise<void> {
  const registration = bed.plane.admin().makeApiClient(AdmissionregistrationV1Api)
  const name = 'agent-webhook'
  const found = await registration.readValidatingWebhookConfiguration({ name })
  const entry = found.webhooks?.find((webhook) => webhook.name === 'owners.agents.greenroom.dev')
  if (entry) entry.failurePolicy = failurePolicy
  await registration.replaceValidatingWebhookConfiguration({ name, body: found })
}

const readyPods = async () => (await client.pool(agentType)).body.ready
const untilFull = () => until('a full pool', async () => (await readyPods().catch(() => 0)) >= 2, 90_000)

/** SIGKILL to every process of Greenroom at the same moment; each is started again after a second. */
async function killAll(): Promise<readonly number[]> {
  const pids = [...bed.roles.values()].map((role) => role.pid())
  for (const pid of pids) process.kill(pid, 'SIGKILL')
  await until('all are dead', () => [...bed.roles.values()].every((role) => !role.isRunning()))
  return pids
}

async function untilAllRunAgain(dead: readonly number[]): Promise<void> {
  await until(
    'all run again',
    () => [...bed.roles.values()].every((role) => role.isRunning() && !dead.includes(role.pid())),
    30_000,
  )
}

async function openAndEnd(): Promise<number> {
  const opened = await client.open({ agentType })
  if (opened.status === 201) await client.end(opened.body.id)
  return opened.status
}

void t.test(
  'bad documents, and then everything dies and starts at once: what was accepted is in force',
  async (t) => {
    await untilFull()
    for (const name of ['agent-pools', 'agent-policy'] as const)
      await until(`${name} is kept`, () => kept(name))
    const before = { pools: await kept('agent-pools'), policy: await kept('agent-policy') }
    t.equal(before.pools, pools)
    t.equal(await openAndEnd(), 201)

    // Nobody can rewrite the policy while no webhook runs, but by docs/break-glass.md.
    await setOwnersPolicy('Ignore')
    const dead = await killAll()
    for (const name of ['agent-pools', 'agent-policy'] as const)
      await until(`${name} is bad`, async () => (await write(name, documents[name].bad)) === '')
    await untilAllRunAgain(dead)
    await setOwnersPolicy('Fail')
    await untilFull()
    t.equal(await openAndEnd(), 201)
    await untilFull()
    t.same(
      { pools: await kept('agent-pools'), policy: await kept('agent-policy') },
      before,
      'and it is still kept',
    )
  },
)

void t.test('what is kept is deleted while all three roles run on it: it comes back', async (t) => {
  const before = await Promise.all((['agent-pools', 'agent-policy'] as const).map(kept))
  for (const name of ['agent-pools', 'agent-policy']) {
    await core.deleteNamespacedConfigMap({ namespace, name: `${name}-accepted` })
  }
  for (const [index, name] of (['agent-pools', 'agent-policy'] as const).entries()) {
    await until(`${name} is kept again`, async () => (await kept(name)) === before[index])
  }
  const dead = await killAll()
  await untilAllRunAgain(dead)
  await untilFull()
  t.equal(await openAndEnd(), 201)
})

void t.test('good documents again: all go on by them, and the edit that is not is refused', async (t) => {
  t.equal(await write('agent-pools', poolsDocument({ min: 3, max: 6 })), '')
  await until('three are warm', async () => (await readyPods()) >= 3, 90_000)
  t.match(await write('agent-pools', documents['agent-pools'].bad), /GRN_INVALID_POOLS/)
})

import { randomBytes } from 'node:crypto'
import type { V1Pod } from '@kubernetes/client-node'
import { parse, stringify } from 'yaml'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { until } from '../../bed/processes/until.ts'
import { createBedClient } from '../../bed/replicas/bed-client.ts'
import { type Cluster, connectCluster } from './cluster.ts'
import { install, namespace, refuseToOverwrite, uninstall } from './installation.ts'
import { readRunOptions } from './run-options.ts'
import { provideStores } from './run-stores.ts'
import { clusterUrl, untilReady } from './session-servers.ts'

/**
 * What only a real kubelet and a real scheduler show: thin idle pods are resized in place when they are claimed, a node that has
 * no room defers a resize, and idle pods beyond `min` make room for a pod of somebody else. For one node of two cores.
 * `npm run cluster:node-room`; the README beside this file says how.
 */

const agentType = 'echo-agent'
const image = 'greenroom:0.1.0'
const withinMs = 120_000
const say = stopwatch()

/** A claimed agent wants 450m, so that three fit beside the rest and a fourth does not. */
const rows = (thin?: object, cpu = '450m') => ({
  [agentType]: {
    resources: { requests: { cpu, memory: '64Mi' }, limits: { cpu: '500m', memory: '256Mi' } },
    ...(thin && { thin }),
    probes: { readiness: { httpGet: { path: '/ready', port: 8080 }, periodSeconds: 1 } },
  },
  // Somebody else's pod in the same namespace.
  neighbour: {
    resources: { requests: { cpu: '800m', memory: '64Mi' }, limits: { cpu: '1', memory: '128Mi' } },
  },
})

async function main(): Promise<number> {
  const options = readRunOptions(process.argv.slice(2), process.env.KUBECONFIG)
  if (!options) return 2
  await using folder = await temporaryFolder('node-room')
  const cluster = connectCluster(options.kubeconfig, folder.path)
  const stores = await provideStores(options.stores)
  const apiKey = randomBytes(24).toString('hex')
  await refuseToOverwrite(cluster)
  try {
    await install({ cluster, stores, apiKey, image: options.image })
    await cluster.run(['scale', '-n', namespace, 'deployment/session-management-server', '--replicas=1'])
    await cluster.run(['scale', '-n', 'greenroom-system', 'deployment/agent-webhook', '--replicas=1'])
    await setDocuments(cluster, { agentTypes: rows({ cpu: '10m', memory: '32Mi' }), pool: { min: 0 } })
    await untilReady(cluster)
    say('installed')
    const url = options.apiUrl ?? (await clusterUrl(cluster))
    const client = createBedClient({ url, apiKey, keepAlive: false, timeoutMs: 10_000 })
    await until(
      'the API',
      async () => (await client.pool(agentType).catch(() => undefined))?.status === 200,
      withinMs,
    )
    const failed = [...(await growing(cluster, client)), ...(await yielding(cluster, client))]
    client.close()
    for (const what of failed) console.log(`FAILED: ${what}`)
    return failed.length === 0 ? 0 : 1
  } catch (error) {
    const shown = ['get', 'pods,events', '-n', namespace, '-o', 'wide']
    console.error((await cluster.kubectl(shown)).stdout)
    throw error
  } finally {
    if (!options.keep) await uninstall(cluster)
    await stores.stop()
  }
}

type Client = ReturnType<typeof createBedClient>

/** Three claimed pods grow on their node, the fourth has to wait, and grows when another one ends. */
async function growing(cluster: Cluster, client: Client): Promise<string[]> {
  await setDocuments(cluster, { agentTypes: rows({ cpu: '10m', memory: '32Mi' }), pool: { min: 4 } })
  await until('four idle pods', async () => (await client.pool(agentType)).body.ready >= 4, withinMs)
  say(`four idle pods: ${await requestsOf(cluster)}`)
  const failed: string[] = []
  const sessions: { id: string; pod: string }[] = []
  for (const wanted of ['450m', '450m', '450m']) {
    const begun = performance.now()
    const { body, status } = await client.open({ agentType })
    if (status !== 201) failed.push(`an open answered ${status}`)
    const openMs = performance.now() - begun
    const before = await podOf(cluster, body.pod.name)
    const grown = await until(
      'the full size',
      async () => {
        const pod = await podOf(cluster, body.pod.name)
        return actualCpu(pod) === wanted && pod
      },
      withinMs,
    )
    const ms = performance.now() - begun
    say(
      `${body.pod.name}: open ${openMs.toFixed()} ms, running with ${actualCpu(grown)} after ${ms.toFixed()} ms`,
    )
    const [a, b] = [before, grown].map((pod) => pod.status?.containerStatuses?.[0])
    if (a?.containerID !== b?.containerID || b?.restartCount !== 0)
      failed.push('the container was started again')
    if (grown.status?.qosClass !== 'Burstable') failed.push(`its class is ${grown.status?.qosClass}`)
    sessions.push({ id: body.id, pod: body.pod.name })
  }
  const { body } = await client.open({ agentType })
  const deferred = await until(
    'a deferred resize',
    async () => {
      const pool = await client.pool(agentType)
      return (pool.body.thin?.['deferred'] ?? 0) > 0 && pool.body.thin
    },
    withinMs,
  )
  const condition = (await podOf(cluster, body.pod.name)).status?.conditions?.find(
    ({ type }) => type === 'PodResizePending',
  )
  say(`${body.pod.name}: ${condition?.reason}: ${condition?.message}`)
  say(`GET /v1/pools/${agentType}: thin ${JSON.stringify(deferred)}`)
  if ((await client.read(body.id)).body.status !== 'ACTIVE')
    failed.push('a session with a deferred resize is not ACTIVE')
  await client.end(sessions[0]?.id ?? '')
  await until(
    'the deferred resize',
    async () => actualCpu(await podOf(cluster, body.pod.name)) === '450m',
    withinMs,
  )
  say(`${body.pod.name}: full after the end of another session`)
  for (const { id } of [...sessions.slice(1), { id: body.id }]) await client.end(id)
  return failed
}

/** Six idle pods of 200m fill the node; a pod of 800m comes. */
async function yielding(cluster: Cluster, client: Client): Promise<string[]> {
  const pool = { min: 1, sizing: { fixed: 6 }, yieldTo: 'pending' }
  await setDocuments(cluster, { agentTypes: rows(undefined, '200m'), pool: { min: 0 } })
  await until('no pod', async () => (await agents(cluster)).length === 0, withinMs)
  await setDocuments(cluster, { agentTypes: rows(undefined, '200m'), pool })
  await until('six idle pods', async () => (await client.pool(agentType)).body.ready >= 6, withinMs)
  say('six idle pods')
  const begun = performance.now()
  await cluster.apply(
    stringify({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'neighbour', namespace, labels: { 'agent-type': 'neighbour' } },
      spec: { containers: [{ name: 'agent', image, command: ['sleep', '600'] }] },
    }),
  )
  await until(
    'the neighbour to run',
    async () => {
      const { status } = await podOf(cluster, 'neighbour')
      return status?.phase === 'Running'
    },
    withinMs,
  )
  const { body } = await client.pool(agentType)
  say(
    `the neighbour runs ${((performance.now() - begun) / 1_000).toFixed(1)} s after it came; yielded ${body.yielded}, ready ${body.ready}`,
  )
  await cluster.run(['delete', 'pod', 'neighbour', '-n', namespace, '--grace-period=1'])
  await until('six idle pods again', async () => (await client.pool(agentType)).body.ready >= 6, withinMs)
  say('the neighbour is gone, and six idle pods are back')
  return (body.yielded ?? 0) > 0 ? [] : ['nothing was yielded']
}

interface Documents {
  readonly agentTypes: object
  readonly pool: object
}

async function setDocuments(cluster: Cluster, { agentTypes, pool }: Documents): Promise<void> {
  const { data } = await cluster.read<{ data: Record<string, string> }>([
    'get',
    'configmap',
    'agent-policy',
    '-n',
    namespace,
  ])
  const version = randomBytes(4).toString('hex')
  const policy = { ...parse(data['policy.yaml'] ?? ''), version, agentTypes }
  const template = { image, command: ['node', 'src/agent/echo-agent.ts'], imagePullPolicy: 'IfNotPresent' }
  const pools = { pools: { [agentType]: { template, max: 12, ...pool } } }
  for (const [name, key, document] of [
    ['agent-policy', 'policy.yaml', policy],
    ['agent-pools', 'pools.yaml', pools],
  ] as const) {
    const patch = JSON.stringify({ data: { [key]: stringify(document, { aliasDuplicateObjects: false }) } })
    await until(
      `${name} to be taken`,
      async () => {
        const { code } = await cluster.kubectl([
          'patch',
          'configmap',
          name,
          '-n',
          namespace,
          '--type=merge',
          '-p',
          patch,
        ])
        return code === 0
      },
      withinMs,
    )
  }
}

async function agents(cluster: Cluster): Promise<readonly V1Pod[]> {
  const selector = `greenroom.dev/pool=${agentType}`
  return (await cluster.read<{ items: V1Pod[] }>(['get', 'pods', '-n', namespace, '-l', selector])).items
}

const podOf = (cluster: Cluster, name: string) => cluster.read<V1Pod>(['get', 'pod', name, '-n', namespace])

/** What the kubelet says that the container has. */
function actualCpu(pod: V1Pod): string | undefined {
  return pod.status?.containerStatuses?.[0]?.resources?.requests?.['cpu']
}

async function requestsOf(cluster: Cluster): Promise<string> {
  return (await agents(cluster)).map((pod) => actualCpu(pod)).join(', ')
}

function stopwatch(): (what: string) => void {
  const begun = performance.now()
  return (what) => console.log(`${((performance.now() - begun) / 1_000).toFixed(1).padStart(7)} s  ${what}`)
}

process.exitCode = await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  return 1
})

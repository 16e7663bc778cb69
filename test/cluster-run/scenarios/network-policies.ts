import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { stringify } from 'yaml'
import { until } from '../../../bed/processes/until.ts'
import { root } from '../../../bed/repository.ts'
import { greenroomNetworkPolicies } from '../../../src/cli/network-policies/greenroom-network-policies.ts'
import { networkPoliciesText } from '../../../src/cli/network-policies/network-policies-text.ts'
import { networkArguments } from '../../support/network-arguments.ts'
import type { Cluster } from '../cluster.ts'
import { install, namespace, refuseToOverwrite, systemNamespace, uninstall } from '../installation.ts'
import { provideStores, type RunStores } from '../run-stores.ts'
import { type Bench, expect, type Scenario } from '../scenario.ts'
import { untilReady } from '../session-servers.ts'

/**
 * `greenroom network-policies` with what this cluster has, as a patch of an overlay: who reaches whom then, tried by
 * connections from real pods. Only for a cluster that enforces network policies.
 */

const withinMs = 180_000
const monitoring = 'monitoring'
const strangers = 'e2e-strangers'

export const networkPolicies: Scenario = {
  name: 'network-policies',
  shows:
    'what greenroom network-policies prints, by connections that succeed and fail (needs --network-policy)',
  async run(bench) {
    const { cluster, check, hostAddress, image, say, enforcesPolicies } = bench
    if (!enforcesPolicies) return say('this cluster enforces no network policies: nothing to look at')
    await refuseToOverwrite(cluster)
    const stores = await provideStores({ hostAddress })
    try {
      const overlay = await narrowOverlay(bench, stores)
      const apiKey = randomBytes(24).toString('hex')
      await check('everything becomes ready behind the narrow policies', async () => {
        await install({ cluster, image, stores, apiKey, overlay })
        await untilReady(cluster)
        await untilAgents(cluster)
        return 'session server, webhook, agents'
      })
      const places = await placesOf(cluster, stores, image)
      for (const { from, reaches, not } of expectations(places)) {
        await check(
          `${from.name} reaches ${reaches.map(({ name }) => name).join(', ') || 'nothing'}`,
          async () => {
            for (const target of reaches)
              expect(await connects(cluster, from, target), `it does not reach ${target.name}`)
            for (const target of not)
              expect(!(await connects(cluster, from, target)), `it reaches ${target.name}`)
            return not.length === 0 ? 'all of them' : `and not ${not.map(({ name }) => name).join(', ')}`
          },
        )
      }
      await check('without the policies all of them are open', () => openWithout(cluster, places))
    } finally {
      await uninstall(cluster)
      await cluster.run(['delete', 'namespace', monitoring, strangers, '--ignore-not-found', '--timeout=90s'])
      await stores.stop()
    }
  },
}

async function narrowOverlay({ cluster, folder }: Bench, stores: RunStores): Promise<string> {
  const slices = ['get', 'endpointslices', '-n', 'default', '-l', 'kubernetes.io/service-name=kubernetes']
  const where = '{.items[0].endpoints[0].addresses[0]}:{.items[0].ports[0].port}'
  const apiServer = await cluster.run([...slices, '-o', `jsonpath=${where}`])
  const stored = ['--postgres', authorityOf(stores.databaseUrl), '--redis', authorityOf(stores.redisUrl)]
  const args = [
    '--api-server',
    apiServer,
    ...stored,
    '--livekit-url',
    'ws://livekit:7880',
    '--no-model-providers',
  ]
  const overlay = join(folder, 'narrow')
  const manifests = relative(overlay, join(root, 'manifests'))
  await mkdir(overlay)
  const { settings } = networkArguments(args)
  await writeFile(join(overlay, 'policies.yaml'), networkPoliciesText(greenroomNetworkPolicies(settings)))
  const kustomization = {
    resources: [`${manifests}/base`],
    components: [`${manifests}/components/small-machine`],
    patches: [{ path: 'policies.yaml' }],
  }
  await writeFile(join(overlay, 'kustomization.yaml'), stringify(kustomization))
  return relative(root, overlay)
}

function authorityOf(url: string): string {
  const { hostname, port } = new URL(url)
  return `${hostname}:${port}`
}

/** The first pod of a pool starts alone, so one that is Ready says nothing about another. */
async function untilAgents({ run }: Cluster): Promise<void> {
  const ready = 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}'
  const idle = ['get', 'pods', '-n', namespace, '-l', 'greenroom.dev/state=idle', '-o', ready]
  const count = async () => (await run(idle)).split(' ').filter((status) => status === 'True').length
  await until('two agents', async () => (await count()) >= 2, withinMs)
}

interface Place {
  readonly name: string
  readonly namespace: string
  readonly pod: string
}
interface Target {
  readonly name: string
  readonly host: string
  readonly port: number
}

interface Places {
  readonly agent: Place
  readonly server: Place
  readonly prometheus: Place
  readonly stranger: Place
  readonly targets: Readonly<Record<TargetName, Target>>
}
type TargetName = 'api' | 'postgres' | 'redis' | 'session' | 'metrics' | 'agent' | 'webhook' | 'dns'

async function placesOf(cluster: Cluster, stores: RunStores, image: string): Promise<Places> {
  const { run } = cluster
  const first = async (namespace: string, selector: string, n = 0) => {
    const field = (path: string) => `jsonpath={.items[${n}].${path}}`
    const list = ['get', 'pods', '-n', namespace, '-l', selector, '-o']
    return {
      pod: await run([...list, field('metadata.name')]),
      ip: await run([...list, field('status.podIP')]),
    }
  }
  const idle = 'greenroom.dev/state=idle'
  const [agent, other] = [await first(namespace, idle), await first(namespace, idle, 1)]
  const server = await first(namespace, 'greenroom.dev/component=session-management-server')
  const webhook = await first('greenroom-system', 'app=agent-webhook')
  const api = await run(['get', 'service', 'kubernetes', '-n', 'default', '-o', 'jsonpath={.spec.clusterIP}'])
  const dns = await run([
    'get',
    'service',
    'kube-dns',
    '-n',
    'kube-system',
    '-o',
    'jsonpath={.spec.clusterIP}',
  ])
  const store = (name: string, url: string): Target => {
    const { hostname, port } = new URL(url)
    return { name, host: hostname, port: Number(port) }
  }
  return {
    agent: { name: 'an agent', namespace, pod: agent.pod },
    server: { name: 'the session server', namespace, pod: server.pod },
    prometheus: { name: 'Prometheus', namespace: monitoring, pod: await idlePod(cluster, monitoring, image) },
    stranger: { name: 'a frontend', namespace: strangers, pod: await idlePod(cluster, strangers, image) },
    targets: {
      api: { name: 'the API server', host: api, port: 443 },
      dns: { name: 'DNS over TCP', host: dns, port: 53 },
      postgres: store('PostgreSQL', stores.databaseUrl),
      redis: store('Redis', stores.redisUrl),
      session: { name: 'the session API', host: server.ip, port: 3000 },
      metrics: { name: 'its metrics', host: server.ip, port: 3001 },
      agent: { name: 'another agent', host: other.ip, port: 8080 },
      webhook: { name: "the webhook's metrics", host: webhook.ip, port: 3002 },
    },
  }
}

function expectations({ agent, server, prometheus, stranger, targets }: Places) {
  const to = (...names: readonly TargetName[]) => names.map((name) => targets[name])
  return [
    {
      from: agent,
      reaches: to('dns', 'session'),
      not: to('api', 'postgres', 'redis', 'agent', 'metrics', 'webhook'),
    },
    // Of the webhook it reads the status, on the port of its metrics.
    { from: server, reaches: to('dns', 'agent', 'api', 'postgres', 'redis', 'webhook'), not: to() },
    { from: prometheus, reaches: to('metrics', 'webhook', 'agent'), not: to() },
    { from: stranger, reaches: to('session'), not: to('metrics', 'webhook', 'agent') },
  ]
}

/** What failed before has failed because of them. The engine takes a moment. */
async function openWithout(cluster: Cluster, places: Places): Promise<string> {
  for (const place of [namespace, systemNamespace])
    await cluster.run(['delete', 'networkpolicy', '--all', '-n', place])
  const opened = new Set<string>()
  for (const { from, not } of expectations(places)) {
    for (const target of not) {
      await until(`${from.name} reaches ${target.name}`, () => connects(cluster, from, target), withinMs)
      opened.add(`${from.name} to ${target.name}`)
    }
  }
  return `${opened.size} connections that had failed`
}

/** A pod of Greenroom's image that only waits, in a namespace that nobody judges. */
async function idlePod({ apply, run }: Cluster, namespace: string, image: string): Promise<string> {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'idle', namespace },
    spec: {
      terminationGracePeriodSeconds: 0,
      containers: [
        {
          name: 'main',
          image,
          imagePullPolicy: 'Never',
          command: ['node', '-e', 'setInterval(() => {}, 1e6)'],
        },
      ],
    },
  }
  await apply(stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }))
  await until(
    'the service account',
    async () => (await run(['get', 'serviceaccount', '-n', namespace, '-o', 'name'])).includes('default'),
    withinMs,
  )
  await apply(stringify(pod))
  await run(['wait', 'pod/idle', '-n', namespace, '--for=condition=Ready', '--timeout=120s'])
  return 'idle'
}

/** A refused connection would be an answer too; a policy lets the packet vanish. */
async function connects({ run }: Cluster, from: Place, { host, port }: Target): Promise<boolean> {
  const program = `
    const socket = require('node:net').connect({ host: '${host}', port: ${port} })
    const says = (word) => { console.log(word); process.exit(0) }
    socket.setTimeout(3000, () => says('silent')).on('connect', () => says('connected')).on('error', ({ code }) => says(code))`
  const said = (await run(['exec', from.pod, '-n', from.namespace, '--', 'node', '-e', program])).trim()
  if (said === 'connected' || said === 'silent') return said === 'connected'
  // kube-router rejects with an ICMP message instead.
  expect(/^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|EACCES)$/.test(said), `${host}:${port} answered ${said}`)
  return false
}

import { randomBytes } from 'node:crypto'
import type { V1Pod, V1PodList } from '@kubernetes/client-node'
import { until } from '../../../bed/processes/until.ts'
import { type AnswerBody, createBedClient } from '../../../bed/replicas/bed-client.ts'
import type { Echo } from '../../../bed/replicas/echo-conversation.ts'
import { install, namespace, refuseToOverwrite, uninstall } from '../installation.ts'
import { provideStores } from '../run-stores.ts'
import { type Bench, expect, type Scenario } from '../scenario.ts'
import { clusterUrl, untilReady } from '../session-servers.ts'

/** `kubectl apply -k manifests/overlays/dev`, as the README says, with Redis and PostgreSQL beside the cluster. */
const overlay = 'test/cluster-run/dev-overlay'
const systemNamespace = 'greenroom-system'
const agentType = 'echo-agent'
const withinMs = 180_000
/** terminationGracePeriodSeconds of every pod of ours. */
const graceSeconds = 30

export const devOverlay: Scenario = {
  name: 'dev-overlay',
  shows:
    'manifests/overlays/dev, its stores beside the cluster, from nothing to a session with an agent, and its pods ending in order',
  async run(bench) {
    const { cluster, check, hostAddress, image } = bench
    await refuseToOverwrite(cluster)
    const stores = await provideStores({ hostAddress })
    const apiKey = randomBytes(24).toString('hex')
    try {
      await check('everything is applied and becomes ready', async () => {
        await install({ cluster, image, stores, apiKey, overlay })
        await untilReady(cluster)
        return 'migrated; session server and webhook answer their probes'
      })
      const url = await clusterUrl(cluster)
      await check('the pool fills', () => filled(url, apiKey))
      await check('a session: open, speak to its agent, renew, end, refill', () =>
        session(bench, url, apiKey),
      )
      const shown = [
        { what: 'session server', namespace, selector: 'app=session-management-server' },
        { what: 'webhook', namespace: systemNamespace, selector: 'app=agent-webhook' },
        { what: 'agent', namespace, selector: `agent-type=${agentType},greenroom.dev/state=idle` },
      ]
      for (const pods of shown) {
        await check(`${pods.what}: SIGTERM as process 1`, () => endsInOrder(bench, pods))
        // Of the next one, which waits for nobody: the first ones waited for the migration and for each other.
        await check(`${pods.what}: start`, () => startTime(bench, pods))
      }
    } catch (error) {
      bench.say((await cluster.kubectl(['get', 'pods', '-A', '-o', 'wide'])).stdout)
      throw error
    } finally {
      await uninstall(cluster)
      await stores.stop()
    }
  },
}

async function filled(url: string, apiKey: string): Promise<string> {
  const client = createBedClient({ url, apiKey, keepAlive: false, timeoutMs: 5_000 })
  try {
    const pool = await until(
      'a full pool',
      async () => {
        // kube-proxy writes a Service's rules up to a second after its pods are ready.
        const answer = await client.pool(agentType).catch(() => undefined)
        return answer?.status === 200 && answer.body.ready >= answer.body.desired.min && answer.body
      },
      withinMs,
    )
    return `${pool.ready} of ${pool.desired.min} pods are ready`
  } finally {
    client.close()
  }
}

async function session(bench: Bench, url: string, apiKey: string): Promise<string> {
  const client = createBedClient({ url, apiKey, keepAlive: true, timeoutMs: 30_000 })
  try {
    // Opens the connection, as a client that lives longer than one session has done.
    await client.pool(agentType)
    const opened = await client.open({ agentType, metadata: { topic: 'e2e' } })
    expect(opened.status === 201, `open: ${opened.status} ${opened.text}`)
    const { id, pod } = opened.body
    const echo = await echoTo(bench, { id, pod })
    expect(echo.podUid === pod.uid && echo.sessionId === id, `another pod answered: ${JSON.stringify(echo)}`)
    expect(JSON.stringify(echo.echo) === '{"say":"hello"}', `the agent said ${JSON.stringify(echo.echo)}`)
    const renewed = await client.call({
      method: 'POST',
      path: `/v1/sessions/${id}/renew`,
      body: { epoch: opened.body.epoch },
    })
    expect(renewed.status === 200, `renew: ${renewed.status} ${renewed.text}`)
    const ended = await client.call({ method: 'DELETE', path: `/v1/sessions/${id}?wait=true` })
    expect(ended.body.status === 'ENDED', `end: ${ended.status} ${ended.text}`)
    await until(
      'the refill',
      async () => (await client.pool(agentType)).body.ready >= 2 || undefined,
      withinMs,
    )
    return `opened in ${opened.ms.toFixed(0)} ms on ${pod.name}, ended as ${ended.body.endReason}`
  } finally {
    client.close()
  }
}

/** From the session server's pod: the network policies let nobody else reach an agent. */
async function echoTo({ cluster }: Bench, { id, pod }: Pick<AnswerBody, 'id' | 'pod'>): Promise<Echo> {
  const program = `
    const answer = await fetch('http://${pod.ip}:8080/sessions/${id}/echo',
      { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"say":"hello"}' })
    console.log(await answer.text())`
  const exec = ['exec', '-n', namespace, 'deployment/session-management-server', '--']
  return JSON.parse(await cluster.run([...exec, 'node', '--input-type=module', '-e', program])) as Echo
}

interface Pods {
  readonly namespace: string
  readonly selector: string
}

async function podOf({ cluster }: Bench, { namespace, selector }: Pods): Promise<V1Pod> {
  const list = await cluster.read<V1PodList>(['get', 'pods', '-n', namespace, '-l', selector])
  const isThere = ({ metadata, status }: V1Pod) => !metadata?.deletionTimestamp && status?.phase === 'Running'
  // The last one that was started again, else any.
  const restarts = ({ status }: V1Pod) => status?.containerStatuses?.[0]?.restartCount ?? 0
  const found = list.items.filter(isThere).toSorted((a, b) => restarts(b) - restarts(a))[0]
  if (!found) throw new Error(`no running pod has ${selector}`)
  return found
}

/** From the start of the process to the line that says that it serves. */
async function startTime(bench: Bench, pods: Pods): Promise<string> {
  const ms = await until(
    'a line with the time of the start',
    async () => {
      const { metadata } = await podOf(bench, pods)
      const { stdout } = await bench.cluster.kubectl(['logs', metadata?.name ?? '', '-n', pods.namespace])
      return /"startMs":(\d+)/.exec(stdout)?.[1]
    },
    withinMs,
  )
  return `${ms} ms until it serves`
}

/** The signal that a kubelet sends, to the same process. A pod that is deleted would take its exit code with it. */
async function endsInOrder(bench: Bench, pods: Pods): Promise<string> {
  const { cluster } = bench
  const { metadata, status } = await podOf(bench, pods)
  const name = metadata?.name ?? ''
  // A container that ended before, because it had waited for the migration, is not meant.
  const container = status?.containerStatuses?.[0]?.containerID
  const begun = performance.now()
  const kill = ['--', 'node', '-e', 'process.kill(1, "SIGTERM")']
  // A process 1 that ends at once takes the sender with it: 137.
  const { code, stderr } = await cluster.kubectl(['exec', name, '-n', pods.namespace, ...kill])
  expect(code === 0 || code === 137, `no signal was sent: ${stderr.trim()}`)
  const ended = await until(
    `the end of ${name}`,
    async () => {
      // The controller takes an agent that has ended away.
      const asked = ['get', 'pod', name, '-n', pods.namespace, '--ignore-not-found', '-o', 'json']
      const text = await cluster.run(asked)
      if (text === '') throw new Error('the pod went before its exit code was read')
      const [now] = (JSON.parse(text) as V1Pod).status?.containerStatuses ?? []
      return [now?.state?.terminated, now?.lastState?.terminated].find(
        (terminated) => terminated?.containerID === container,
      )
    },
    (graceSeconds + 15) * 1_000,
  )
  const seconds = (performance.now() - begun) / 1_000
  expect(ended.exitCode === 0, `ended with ${ended.exitCode} (${ended.reason})`)
  expect(seconds < graceSeconds, `took ${seconds.toFixed(1)} s of ${graceSeconds} s`)
  return `ended with 0 after ${seconds.toFixed(1)} s of ${graceSeconds} s`
}

import { randomBytes } from 'node:crypto'
import { until } from '../../../bed/processes/until.ts'
import { createBedClient } from '../../../bed/replicas/bed-client.ts'
import { install, namespace, refuseToOverwrite, uninstall } from '../installation.ts'
import { provideStores } from '../run-stores.ts'
import { type Bench, expect, type Scenario } from '../scenario.ts'
import { clusterUrl, untilReady } from '../session-servers.ts'
import { buildStandIns } from '../stand-in-images.ts'

const overlay = 'test/cluster-run/python-agent'
const agentType = 'stella-light'
const withinMs = 120_000

export const pythonAgent: Scenario = {
  name: 'python-agent',
  shows: 'examples/python-agent as a pod of a pool: its probes, its metrics, and a session delivered to it',
  async run(bench) {
    const { cluster, check, hostAddress, image, load, folder, say } = bench
    if (!load) {
      say('not run: it wants an image of its own')
      return
    }
    await refuseToOverwrite(cluster)
    await load(await buildStandIns(folder))
    const stores = await provideStores({ hostAddress })
    const apiKey = randomBytes(24).toString('hex')
    try {
      await install({ cluster, image, stores, apiKey, overlay })
      await untilReady(cluster)
      const client = createBedClient({
        url: await clusterUrl(cluster),
        apiKey,
        keepAlive: true,
        timeoutMs: 30_000,
      })
      try {
        await check('its pod becomes Ready under the policy', () =>
          until(
            'a ready pod',
            async () => {
              const answer = await client.pool(agentType).catch(() => undefined)
              return answer?.status === 200 && answer.body.ready > 0 && `${answer.body.ready} ready`
            },
            withinMs,
          ),
        )
        await check('a session is delivered to it, and it answers with health, readiness and metrics', () =>
          session(bench, client),
        )
      } finally {
        client.close()
      }
    } catch (error) {
      say((await cluster.kubectl(['get', 'pods', '-A', '-o', 'wide'])).stdout)
      throw error
    } finally {
      await uninstall(cluster)
      await stores.stop()
    }
  },
}

async function session({ cluster }: Bench, client: ReturnType<typeof createBedClient>): Promise<string> {
  const opened = await client.open({ agentType })
  expect(opened.status === 201, `open: ${opened.status} ${opened.text}`)
  const { id, pod, epoch } = opened.body
  const said = await cluster.run(['logs', pod.name, '-n', namespace])
  expect(said.includes(`"msg": "assigned", "session": "${id}"`), `the pod says ${said}`)
  const get = async (path: string) =>
    (await fromSessionServer(cluster, `http://${pod.ip}:8080${path}`)).trim()
  expect((await get('/health')) === '200 {"status": "healthy"}', 'health')
  expect((await get('/ready')) === '200 {"status": "ready"}', 'ready')
  const metrics = await get('/metrics')
  expect(metrics.includes(`agent_messages_processed_total{agent_type="${agentType}"} 0`), metrics)
  const renewed = await client.call({ method: 'POST', path: `/v1/sessions/${id}/renew`, body: { epoch } })
  expect(renewed.status === 200, `renew: ${renewed.status} ${renewed.text}`)
  const ended = await client.call({ method: 'DELETE', path: `/v1/sessions/${id}?wait=true` })
  expect(ended.body.status === 'ENDED', `end: ${ended.status} ${ended.text}`)
  return `opened in ${opened.ms.toFixed(0)} ms on ${pod.name}, ended as ${ended.body.endReason}`
}

/** The network policies let nobody else reach an agent. */
function fromSessionServer({ run }: Bench['cluster'], url: string): Promise<string> {
  const program = `const answer = await fetch('${url}'); console.log(answer.status, await answer.text())`
  const exec = ['exec', '-n', namespace, 'deployment/session-management-server', '--']
  return run([...exec, 'node', '--input-type=module', '-e', program])
}

import { randomBytes } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { until } from '../../bed/processes/until.ts'
import { createBedClient } from '../../bed/replicas/bed-client.ts'
import { createHistory } from '../support/history.ts'
import { type Cluster, connectCluster } from './cluster.ts'
import { install, namespace, refuseToOverwrite, uninstall } from './installation.ts'
import { checksOf } from './rolling-restart-checks.ts'
import { type RunOptions, readRunOptions } from './run-options.ts'
import { checkTable, exchangeTable, failureLines } from './run-report.ts'
import { provideStores, type RunStores } from './run-stores.ts'
import { agentType, startServiceLoad } from './service-load.ts'
import { clusterUrl, replicas, rollOut, untilOldOnesAreGone, untilReady } from './session-servers.ts'

/**
 * Installs Greenroom in a real cluster, replaces all session servers under load, and ends with 1 if a caller could
 * notice. `npm run cluster:rolling-restart`; the README beside this file says how.
 */

/** Of load before the first replica goes and after the last has come: what is normal, and what comes late. */
const quietMs = 5_000
/** Agents start a few at a time; an installation that is stuck says so in its pods. */
const stockedWithinMs = 240_000

async function main(): Promise<number> {
  const options = readRunOptions(process.argv.slice(2), process.env.KUBECONFIG)
  if (!options) return 2
  await using folder = await temporaryFolder('cluster-run')
  const cluster = connectCluster(options.kubeconfig, folder.path)
  const stores = await provideStores(options.stores)
  try {
    return await installAndRun({ options, cluster, stores })
  } finally {
    await stores.stop()
  }
}

interface Run {
  readonly options: RunOptions
  readonly cluster: Cluster
  readonly stores: RunStores
}

async function installAndRun({ options, cluster, stores }: Run): Promise<number> {
  const { kubeconfig } = options
  const apiKey = randomBytes(24).toString('hex')
  const say = stopwatch()
  await refuseToOverwrite(cluster)
  try {
    await install({ cluster, stores, apiKey, image: options.image })
    say('applied')
    await untilReady(cluster)
    say('migrated; session servers and webhook are ready')
    const url = options.apiUrl ?? (await clusterUrl(cluster))
    await untilStocked(url, apiKey)
    say('the pool is stocked')
    const history = createHistory()
    const before = await replicas(cluster)
    const load = await startServiceLoad({ url, apiKey, history })
    try {
      await setTimeout(quietMs)
      say('rolling restart begins')
      history.fault('rollout restart')
      await rollOut(cluster)
      say('rolled out')
      await untilOldOnesAreGone(cluster, before)
      say('the old replicas are gone')
      await setTimeout(quietMs)
    } finally {
      await load.stop()
    }
    const checks = await checksOf({ cluster, stores, url, apiKey, load, history, before, kubeconfig })
    console.log(`\n${await cluster.run(shownPods)}`)
    console.log(
      `${exchangeTable(load.exchanges())}\n${failureLines(load.exchanges())}\n${checkTable(checks)}`,
    )
    return checks.every(({ ok }) => ok) ? 0 : 1
  } catch (error) {
    console.error(await stateOf(cluster))
    throw error
  } finally {
    if (!options.keep) {
      await uninstall(cluster)
      say('uninstalled')
    }
  }
}

const shownPods = ['get', 'pods', '-n', namespace, '-L', 'agent-type,greenroom.dev/state,session']

/** For finding out why it did not come up. */
async function stateOf({ kubectl }: Cluster): Promise<string> {
  const asked = [
    shownPods,
    ['get', 'events', '-n', namespace, '--field-selector', 'type=Warning'],
    ['logs', '-n', namespace, '-l', 'app=session-management-server', '--prefix', '--tail=20'],
  ]
  const answers = await Promise.all(asked.map((args) => kubectl(args)))
  return answers.map(({ stdout, stderr }) => stdout + stderr).join('\n')
}

async function untilStocked(url: string, apiKey: string): Promise<void> {
  const client = createBedClient({ url, apiKey, keepAlive: false, timeoutMs: 5_000 })
  const isStocked = async () => {
    const { status, body } = await client.pool(agentType)
    return status === 200 && body.ready >= body.desired.min
  }
  // kube-proxy writes a Service's rules up to a second after its pods are ready.
  await until('a stocked pool', () => isStocked().catch(() => false), stockedWithinMs)
  client.close()
}

function stopwatch(): (what: string) => void {
  const begun = performance.now()
  return (what) => console.log(`${((performance.now() - begun) / 1_000).toFixed(1).padStart(7)} s  ${what}`)
}

process.exitCode = await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  return 1
})

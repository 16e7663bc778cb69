import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { createBedClient } from '../../bed/replicas/bed-client.ts'
import { root } from '../../bed/repository.ts'
import type { History } from '../support/history.ts'
import { violationsOf } from '../support/linearizability.ts'
import type { Cluster } from './cluster.ts'
import { namespace } from './installation.ts'
import type { Check } from './run-report.ts'
import type { RunStores } from './run-stores.ts'
import type { ServiceLoad } from './service-load.ts'
import { type Replica, replicas } from './session-servers.ts'

/** What must be true after a rolling restart under load. */

interface Evidence {
  readonly cluster: Cluster
  readonly stores: RunStores
  readonly kubeconfig: string
  readonly url: string
  readonly apiKey: string
  readonly load: ServiceLoad
  readonly history: History
  /** The replicas that were to be replaced. */
  readonly before: readonly Replica[]
}

/** Below it the restart was hardly under load. */
const leastRequests = 500

export async function checksOf(evidence: Evidence): Promise<readonly Check[]> {
  return [
    ...requestChecks(evidence),
    ...historyChecks(evidence),
    ...(await replicaChecks(evidence)),
    await heldCheck(evidence),
    await agentCheck(evidence),
    await doctorCheck(evidence),
  ]
}

function requestChecks({ load }: Evidence): Check[] {
  const all = load.exchanges()
  const failed = all.filter(({ verdict }) => verdict === 'failed').length
  return [
    { what: 'there was load', ok: all.length >= leastRequests, detail: `${all.length} requests` },
    { what: 'no request failed', ok: failed === 0, detail: `${failed} failed` },
  ]
}

function historyChecks({ history }: Evidence): Check[] {
  const entries = history.entries()
  const sessions = new Map<string, Set<string>>()
  for (const entry of entries) {
    if (entry.type !== 'ok') continue
    const { pod, session } = entry.answer
    sessions.set(pod, (sessions.get(pod) ?? new Set()).add(session))
  }
  const shared = [...sessions].filter(([, served]) => served.size > 1)
  const violations = violationsOf(entries)
  const lines = violations.map(
    ({ kind, subject, calls }) => `\n  ${kind} ${subject}: ${calls.join('\n    ')}`,
  )
  return [
    {
      what: 'no pod served two sessions',
      ok: sessions.size > 0 && shared.length === 0,
      detail: `${sessions.size} pods, ${shared.length} twice`,
    },
    {
      what: 'no session on two pods, every answer has its place',
      ok: violations.length === 0,
      detail: `${violations.length} violations${lines.join('')}`,
    },
  ]
}

async function replicaChecks({ cluster, before }: Evidence): Promise<Check[]> {
  const after = await replicas(cluster)
  const old = new Set(before.map(({ uid }) => uid))
  const stayed = after.filter(({ uid }) => old.has(uid))
  const restarts = after.reduce((sum, replica) => sum + replica.restarts, 0)
  return [
    {
      what: 'all replicas were replaced',
      ok: after.length === before.length && stayed.length === 0,
      detail: `${after.length} new, ${stayed.length} old`,
    },
    { what: 'none of the new ones was restarted', ok: restarts === 0, detail: `${restarts} restarts` },
  ]
}

async function heldCheck({ url, apiKey, load }: Evidence): Promise<Check> {
  const client = createBedClient({ url, apiKey, keepAlive: false, timeoutMs: 10_000 })
  const bodies = await Promise.all(load.held.map(async ({ session }) => (await client.read(session)).body))
  const lost = bodies.filter(({ status }) => String(status) !== 'ACTIVE')
  const detail = [
    `${bodies.length} held`,
    ...lost.map((body) => `${body.id} is ${String(body.status)} ${body.endReason ?? ''}`),
  ]
  return { what: 'every held session is ACTIVE', ok: lost.length === 0, detail: detail.join(', ') }
}

/** Agents renew through the Service as well, over connections that they keep. */
async function agentCheck({ cluster, load, url, apiKey }: Evidence): Promise<Check> {
  const client = createBedClient({ url, apiKey, keepAlive: false, timeoutMs: 10_000 })
  const logs = await Promise.all(
    load.held.map(async ({ session }) => {
      const { pod } = (await client.read(session)).body
      const { code, stdout, stderr } = await cluster.kubectl(['logs', '-n', namespace, pod.name])
      return code === 0 ? stdout : `lease not renewed as far as can be known: ${stderr.trim()}`
    }),
  )
  const refused = logs.flatMap((log) => log.split('\n').filter((line) => line.includes('lease not renewed')))
  const detail = [`${refused.length} failed`, ...refused.slice(0, 5).map((line) => `\n  ${line}`)].join('')
  return { what: 'no renewal of an agent failed', ok: refused.length === 0, detail }
}

async function doctorCheck({ stores, kubeconfig }: Evidence): Promise<Check> {
  const environment = {
    ...process.env,
    KUBECONFIG: kubeconfig,
    GREENROOM_NAMESPACE: namespace,
    DATABASE_URL: stores.databaseUrl,
    REDIS_URL: stores.redisUrl,
  }
  const what = 'the doctor finds nothing'
  try {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['src/main.ts', 'doctor', '--invariants'],
      {
        cwd: root,
        env: environment,
      },
    )
    return { what, ok: true, detail: stdout.trim() }
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
    return { what, ok: false, detail: `${stdout}${stderr}`.trim() || String(error) }
  }
}

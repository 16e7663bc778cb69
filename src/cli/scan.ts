import { parseArgs } from 'node:util'
import { type PodDrift, podDrift } from '../admission/explain/pod-drift.ts'
import { judgedNamespaces, livePods } from '../cluster/live-pods.ts'
import { loadConfig } from '../config.ts'
import { agentsNamespaceLabel } from '../domain/names.ts'
import { GreenroomError } from '../errors.ts'
import { contextOfCluster, contextOfFile, openCluster } from '../roles/policy-source.ts'
import type { CommandProgram } from './command.ts'
import { textTable } from './text-table.ts'

const usage = `usage: scan [-n NAMESPACE]… [--policy FILE] [--json]
Lists the running pods that the policy would change or deny if they were created now: pods older than the policy, and
pods created while the webhook was away.
-n NAMESPACE   only this one; may be repeated (default: namespaces labelled ${agentsNamespaceLabel}=enabled)
--policy FILE  this policy instead of the cluster's: what a change of the policy would mean
Exit code: 0 no such pod; 1 at least one; 2 the cluster could not be read, or the arguments are wrong.`

const notReadCode = 2

export interface ScanReport {
  readonly policyVersion: string
  readonly namespaces: readonly string[]
  /** Pods looked at. */
  readonly pods: number
  readonly drifted: readonly PodDrift[]
}

export const scan: CommandProgram = { usage, run: runScan }

/** The command: prints the report on stdout and resolves with the exit code. */
async function runScan(argv: readonly string[]): Promise<number> {
  try {
    const { json, ...wanted } = readArguments(argv)
    const report = await scanPods(wanted)
    process.stdout.write(json ? `${JSON.stringify(report, undefined, 2)}\n` : inWords(report))
    return report.drifted.length > 0 ? 1 : 0
  } catch (error) {
    if (!(error instanceof GreenroomError)) throw error
    process.stderr.write(`${error.code}: ${error.message} ${error.remedy}\n`)
    return notReadCode
  }
}

async function scanPods(wanted: Omit<ScanArguments, 'json'>): Promise<ScanReport> {
  const config = loadConfig('scan')
  const clients = await openCluster(config)
  try {
    const inForce = wanted.policy
      ? {
          ...(await contextOfCluster(clients, config)),
          policy: (await contextOfFile(wanted.policy)).policy,
        }
      : await contextOfCluster(clients, config)
    const namespaces = wanted.namespaces.length > 0 ? wanted.namespaces : await judgedNamespaces(clients)
    const drifted: PodDrift[] = []
    let pods = 0
    for (const namespace of namespaces) {
      for await (const page of livePods(clients.transport, namespace)) {
        pods += page.length
        drifted.push(...page.flatMap((pod) => podDrift(pod, namespace, inForce) ?? []))
      }
    }
    return { policyVersion: inForce.policy.version, namespaces, pods, drifted }
  } finally {
    clients.close()
  }
}

function inWords({ policyVersion, namespaces, pods, drifted }: ScanReport): string {
  const rows = drifted.map(({ namespace, name, agentType, drift, changes, violations }) => [
    namespace,
    name,
    agentType,
    drift,
    [...new Set([...violations, ...changes].map(({ rule }) => rule))].join(','),
  ])
  const table =
    rows.length > 0 ? `${textTable([['NAMESPACE', 'POD', 'AGENT TYPE', 'WOULD', 'RULES'], ...rows])}\n` : ''
  const where = namespaces.length === 0 ? 'no namespace' : namespaces.join(', ')
  return `${table}${drifted.length} of ${pods} pods in ${where} differ from policy ${policyVersion}\n`
}

interface ScanArguments {
  readonly namespaces: readonly string[]
  readonly policy: string | undefined
  readonly json: boolean
}

function readArguments(argv: readonly string[]): ScanArguments {
  try {
    const { namespace, policy, json } = parseArgs({
      args: [...argv],
      options: {
        namespace: { type: 'string', short: 'n', multiple: true, default: [] },
        policy: { type: 'string' },
        json: { type: 'boolean', default: false },
      },
    }).values
    return { namespaces: namespace, policy, json }
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error)
    throw new GreenroomError('GRN_INVALID_CONFIG', `${problem}\n${usage}\n`)
  }
}

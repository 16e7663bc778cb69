import { type PodDrift, podDrift } from '../admission/explain/pod-drift.ts'
import { judgedNamespaces, livePods } from '../cluster/live-pods.ts'
import { agentsNamespaceLabel } from '../domain/names.ts'
import { contextOfCluster, contextOfFile, openCluster } from '../roles/policy-source.ts'
import { action } from './line/command-spec.ts'
import { exitCode } from './line/exit-code.ts'
import { formOf, printView, type View } from './line/print-view.ts'
import { formOptions, serverOptions } from './line/shared-options.ts'
import { clusterConfig } from './reach/cluster-config.ts'

export interface ScanReport {
  readonly policyVersion: string
  readonly namespaces: readonly string[]
  /** Pods looked at. */
  readonly pods: number
  readonly drifted: readonly PodDrift[]
}

export const scan = action({
  summary: 'List the running pods that the policy would change or deny if they were created now',
  about: 'Those are pods older than the policy, and pods created while the webhook was away.',
  options: {
    namespace: {
      type: 'string',
      short: 'n',
      multiple: true,
      value: 'NAMESPACE',
      help: `only this one (unless given: namespaces labelled ${agentsNamespaceLabel}=enabled)`,
    },
    policy: {
      type: 'string',
      value: 'FILE',
      help: "this policy instead of the cluster's: what a change of the policy would mean",
    },
    ...formOptions,
    context: serverOptions.context,
    kubeconfig: serverOptions.kubeconfig,
  },
  exits: { 0: 'no such pod', 1: 'at least one', 6: 'the cluster could not be read' },
  examples: [
    { line: 'greenroom scan', does: 'All namespaces that are judged' },
    { line: 'greenroom scan --policy agent-policy.yaml -n ai-agents', does: 'What a new policy would mean' },
  ],
  async run({ options }) {
    const { namespace: namespaces = [], policy, context, kubeconfig } = options
    const form = formOf(options)
    const report = await scanPods({ namespaces, policy, context, kubeconfig })
    printView(viewOf(report), form)
    return report.drifted.length > 0 ? exitCode.found : exitCode.done
  },
})

async function scanPods(wanted: ScanArguments): Promise<ScanReport> {
  const config = clusterConfig(wanted)
  const clients = await openCluster(config, wanted.context)
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

function viewOf(report: ScanReport): View<PodDrift> {
  const { policyVersion, namespaces, pods, drifted } = report
  const where = namespaces.length === 0 ? 'no namespace' : namespaces.join(', ')
  const total = `${drifted.length} of ${pods} pods in ${where} differ from policy ${policyVersion}`
  return {
    document: report,
    rows: drifted,
    nameOf: ({ namespace, name }) => `pod/${namespace}/${name}`,
    ...(drifted.length === 0 ? { before: total } : { after: total }),
    columns: [
      { title: 'NAMESPACE', of: ({ namespace }) => namespace },
      { title: 'POD', of: ({ name }) => name },
      { title: 'AGENT TYPE', of: ({ agentType }) => agentType },
      { title: 'WOULD', of: ({ drift }) => drift },
      {
        title: 'RULES',
        of: ({ changes, violations }) =>
          [...new Set([...violations, ...changes].map(({ rule }) => rule))].join(','),
      },
    ],
  }
}

interface ScanArguments {
  readonly namespaces: readonly string[]
  readonly policy: string | undefined
  readonly context: string | undefined
  readonly kubeconfig: string | undefined
}

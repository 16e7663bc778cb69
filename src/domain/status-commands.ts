import { configMapName, controllerLeaseName, webhookName, webhookNamespace } from './names.ts'
import type { PoolProblemCause } from './pool-problem.ts'
import type { StatusPartName } from './status-report.ts'

/** What to type first about each thing that can be wrong. A command only looks, and can be copied as it is. */

const labelValue = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/

const webhookPods = `kubectl -n ${webhookNamespace} get pods -l app=${webhookName}`
const apiServer = "kubectl get --raw '/readyz?verbose'"

/** Quoted for a shell, where it needs it. The API server checks names, and a copied command must not rest on that. */
function quoted(value: string): string {
  return labelValue.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`
}

export function partCommand(part: StatusPartName, namespace: string): string {
  const within = `kubectl -n ${quoted(namespace)}`
  const serverLog = `${within} logs deployment/session-management-server --tail=50`
  const commands: Readonly<Record<StatusPartName, string>> = {
    kubernetes: apiServer,
    postgresql: serverLog,
    redis: 'greenroom doctor',
    livekit: serverLog,
    webhook: webhookPods,
    'webhook-certificate': `kubectl -n ${webhookNamespace} logs -l app=${webhookName} --tail=50`,
    controller: `${within} get lease ${controllerLeaseName} -o yaml`,
    'agent-policy': `${within} events --for configmap/${configMapName.policy}`,
    'agent-pools': `${within} events --for configmap/${configMapName.pools}`,
  }
  return commands[part]
}

export function poolCommand(agentType: string, cause: PoolProblemCause, namespace: string): string {
  const within = `kubectl -n ${quoted(namespace)}`
  const pods = `-l greenroom.dev/pool=${quoted(agentType)}`
  const commands: Readonly<Record<PoolProblemCause, string>> = {
    quota: `${within} describe resourcequota`,
    'limit-range': `${within} describe limitrange`,
    webhook: webhookPods,
    api: apiServer,
    forbidden: `${within} auth can-i --list --as=system:serviceaccount:${quoted(namespace)}:session-management-sa`,
    denied: `${within} events --for configmap/${configMapName.pools}`,
    invalid: `${within} events --for configmap/${configMapName.pools}`,
    image: `${within} describe pods ${pods}`,
    config: `${within} describe pods ${pods}`,
    crash: `${within} describe pods ${pods}`,
    node: `${within} get pods ${pods} -o wide`,
    unschedulable: `${within} describe pods ${pods}`,
    deadline: `${within} logs ${pods} --tail=50`,
    unready: `${within} logs ${pods} --tail=50`,
    canary: `greenroom rollout status ${quoted(agentType)}`,
  }
  return commands[cause]
}

export type FindingCommand = 'broken' | 'drift' | 'frozen' | 'assign-keys'

export function findingCommand(finding: FindingCommand, namespace: string): string {
  const within = `kubectl -n ${quoted(namespace)}`
  const commands: Readonly<Record<FindingCommand, string>> = {
    broken: 'greenroom doctor',
    drift: 'greenroom scan',
    frozen: `${within} events --for configmap/${configMapName.pools}`,
    'assign-keys': `${within} get configmap ${configMapName.assignKeys} -o yaml`,
  }
  return commands[finding]
}

import type { PolicyDocument } from '../../admission/policy/policy-document.ts'
import { checkPolicy } from '../../admission/rules/check-policy.ts'
import { unlessMissing } from '../../cluster/kube-api-error.ts'
import type { KubeClients } from '../../cluster/kube-clients.ts'
import type { Checked } from '../../domain/checked-document.ts'
import { configMapKey, configMapName } from '../../domain/names.ts'
import { checkPools, type PoolsDocument } from '../../domain/pool.ts'

/** ConfigMap agent-pools, checked; undefined if there is none. */
export async function readPools(
  clients: KubeClients,
  namespace: string,
): Promise<Checked<PoolsDocument> | undefined> {
  const text = await textOf(clients, namespace, 'pools')
  return text === undefined ? undefined : checkPools(text)
}

/** ConfigMap agent-policy, checked; undefined if there is none. */
export async function readPolicy(
  clients: KubeClients,
  namespace: string,
): Promise<Checked<PolicyDocument> | undefined> {
  const text = await textOf(clients, namespace, 'policy')
  return text === undefined ? undefined : checkPolicy(text)
}

async function textOf(
  { core }: KubeClients,
  namespace: string,
  document: 'pools' | 'policy',
): Promise<string | undefined> {
  const name = configMapName[document]
  const found = await unlessMissing(core.readNamespacedConfigMap({ namespace, name }))
  return found && (found.data?.[configMapKey[document]] ?? '')
}

import { readFile } from 'node:fs/promises'
import type { PolicyDocument } from '../admission/policy/policy-document.ts'
import type { PolicyInForce } from '../admission/policy/policy-in-force.ts'
import { assignKeysFrom } from '../admission/policy/public-assign-keys.ts'
import { builtInPolicy, checkPolicy } from '../admission/rules/check-policy.ts'
import { loadKubeAccess } from '../cluster/kube-access.ts'
import { orUnavailable, unlessMissing } from '../cluster/kube-api-error.ts'
import { createKubeClients, type KubeClients } from '../cluster/kube-clients.ts'
import type { Config } from '../config.ts'
import { configMapKey, configMapName } from '../domain/names.ts'
import { GreenroomError } from '../errors.ts'

type ClusterConfig = Config<'explain'>

export async function openCluster(config: ClusterConfig, context?: string): Promise<KubeClients> {
  return createKubeClients({ access: await loadKubeAccess(config, { context }) })
}

/** The policy and keys by which the webhooks of the cluster judge now, found as they find them. */
export async function contextOfCluster(
  { core }: Pick<KubeClients, 'core'>,
  { GREENROOM_NAMESPACE: namespace }: ClusterConfig,
): Promise<PolicyInForce> {
  const read = async (name: string, key: string): Promise<string | undefined> => {
    const answer = unlessMissing(core.readNamespacedConfigMap({ namespace, name }))
    return (await orUnavailable(answer, `ConfigMap ${namespace}/${name} could not be read: `))?.data?.[key]
  }
  const [written, accepted, keys] = await Promise.all([
    read(configMapName.policy, configMapKey.policy),
    read(configMapName.policyAccepted, configMapKey.policy),
    read(configMapName.assignKeys, configMapKey.assignKeys),
  ])
  return { policy: inForce([written, accepted]), assignKeys: assignKeysFrom(keys ?? '') }
}

/** The first one that is valid, or else the built-in policy. */
function inForce(texts: readonly (string | undefined)[]): PolicyDocument {
  for (const text of texts) {
    const checked = text === undefined ? undefined : checkPolicy(text)
    if (checked?.ok) return checked.value
  }
  return builtInPolicy
}

/** A policy in a file: `policy.yaml` itself or the ConfigMap around it. Throws GRN_INVALID_POLICY or GRN_INVALID_CONFIG. */
export async function contextOfFile(path: string): Promise<PolicyInForce> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new GreenroomError('GRN_INVALID_CONFIG', `${path} could not be read: ${(error as Error).message}.`)
  })
  const checked = checkPolicy(await policyText(text))
  if (!checked.ok) throw new GreenroomError('GRN_INVALID_POLICY', `${path}: ${checked.problems.join('; ')}.`)
  return { policy: checked.value, assignKeys: assignKeysFrom('') }
}

async function policyText(text: string): Promise<string> {
  const { parse } = await import('yaml')
  try {
    const document = parse(text, { maxAliasCount: 100 }) as {
      kind?: unknown
      data?: Record<string, string>
    } | null
    return document?.kind === 'ConfigMap' ? (document.data?.[configMapKey.policy] ?? '') : text
  } catch {
    // checkPolicy says what is wrong with it, with the line.
    return text
  }
}

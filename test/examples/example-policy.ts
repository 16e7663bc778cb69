import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { root } from '../../bed/repository.ts'
import { configMapKey } from '../../src/domain/names.ts'

/** What an example adds to the policy: keys of `agentTypes`, and namespaces of `rollout.audit`. */
interface PolicyPart {
  readonly agentTypes?: Record<string, unknown>
  readonly rollout?: { readonly audit: readonly string[] }
}

export interface PolicyConfigMap {
  readonly data: Readonly<Record<string, string>>
}

/** ConfigMap agent-policy with what these examples' policy.yaml adds, as their READMEs ask people to do. */
export async function policyWith(
  configMap: PolicyConfigMap,
  systems: readonly string[],
  version: string,
): Promise<PolicyConfigMap> {
  const policy = parse(configMap.data[configMapKey.policy] ?? '') as PolicyPart & { version: string }
  const parts = await Promise.all(
    systems.map(
      async (name) =>
        parse(await readFile(join(root, 'examples', name, 'policy.yaml'), 'utf8')) as PolicyPart,
    ),
  )
  const merged = {
    ...policy,
    version,
    agentTypes: Object.assign({}, policy.agentTypes, ...parts.map(({ agentTypes }) => agentTypes)) as unknown,
    rollout: { audit: parts.flatMap(({ rollout }) => rollout?.audit ?? []) },
  }
  return { ...configMap, data: { [configMapKey.policy]: stringify(merged) } }
}

import { effectiveRow } from '../../admission/policy/effective-row.ts'
import { absent, type DoctorCheck, failed, ok } from './doctor-check.ts'
import { readPolicy, readPools } from './read-documents.ts'

export const poolsDocument: DoctorCheck<'kubernetes'> = {
  name: 'pools-document',
  title: 'ConfigMap agent-pools is valid, and the policy has a row for each pool',
  when: 'after',
  part: 'kubernetes',
  why: 'A document that is not valid changes nothing. The webhook denies the pods of a type without a row.',
  fix: 'kubectl -n ai-agents edit configmap agent-pools',
  async run(clients, { config }) {
    const namespace = config.GREENROOM_NAMESPACE
    const [pools, policy] = await Promise.all([readPools(clients, namespace), readPolicy(clients, namespace)])
    if (!pools) return absent(`There is no ConfigMap ${namespace}/agent-pools.`)
    if (!pools.ok) return failed(`GRN_INVALID_POOLS: ${pools.problems.join('; ')}.`)
    const types = Object.keys(pools.value.pools)
    const strangers = policy?.ok ? types.filter((type) => !effectiveRow(type, policy.value)) : []
    if (strangers.length > 0)
      return failed(
        `GRN_AGENT_TYPE_UNKNOWN: the policy has no row for ${strangers.join(', ')}.`,
        'kubectl -n ai-agents edit configmap agent-policy',
      )
    return ok(`${types.length} pools: ${types.join(', ')}.`)
  },
}

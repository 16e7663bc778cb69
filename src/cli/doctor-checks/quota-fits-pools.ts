import type { V1Pod } from '@kubernetes/client-node'
import { amountsOfRow, effectiveRow } from '../../admission/policy/effective-row.ts'
import type { PolicyDocument } from '../../admission/policy/policy-document.ts'
import { apiPath } from '../../cluster/api-path.ts'
import type { KubeClients } from '../../cluster/kube-clients.ts'
import { livePods } from '../../cluster/live-pods.ts'
import { quotaFrom, type RawQuota } from '../../cluster/quota-watch.ts'
import { label } from '../../domain/names.ts'
import { type PodResources, podResources, takenOf } from '../../domain/pod-resources.ts'
import type { PoolsDocument } from '../../domain/pool.ts'
import { parseQuantity } from '../../domain/quantity.ts'
import { countsAgents, type Quota } from '../../domain/quota.ts'
import { type DoctorCheck, type Finding, failed, ok, skipped, warning, worst } from './doctor-check.ts'
import { readPolicy, readPools } from './read-documents.ts'

export const quotaFitsPools: DoctorCheck<'kubernetes'> = {
  name: 'quota-fits-pools',
  title: 'The quota of the namespace holds all pools at their max',
  when: 'after',
  part: 'kubernetes',
  why: 'A pool that the quota bounds has fewer idle pods than it promises, and opens find it empty (docs/quota.md).',
  fix: 'kubectl -n ai-agents edit resourcequota ai-agents-quota',
  async run(clients, { config }) {
    const namespace = config.GREENROOM_NAMESPACE
    const [pools, policy] = await Promise.all([readPools(clients, namespace), readPolicy(clients, namespace)])
    if (!pools?.ok || !policy?.ok) return skipped('It needs a valid agent-pools and agent-policy.')
    const path = apiPath({ resource: 'resourcequotas', namespace })
    const { items } = await clients.transport.getJson<{ items: RawQuota[] }>(path)
    if (items.length === 0) return ok(`${namespace} has no ResourceQuota.`)
    const others = await takenByOthers(clients, namespace)
    const sized = poolSizes(pools.value, policy.value)
    const findings = items.map(quotaFrom).flatMap((quota) => judgeQuota(quota, sized, others))
    return worst(findings, `${items.length} ResourceQuota: all pools fit at their max beside what else runs.`)
  },
}

interface SizedPool {
  readonly min: bigint
  readonly max: bigint
  readonly size: PodResources
  readonly priorityClass: string | undefined
}

/** By their rows. A type without a row gets no pods. */
function poolSizes({ pools }: PoolsDocument, policy: PolicyDocument): SizedPool[] {
  return Object.entries(pools).flatMap(([type, { min, max }]) => {
    const row = effectiveRow(type, policy)
    if (!row) return []
    const size = amountsOfRow(row.resources)
    return [{ min: BigInt(min), max: BigInt(max), size, priorityClass: row.priorityClassName }]
  })
}

/** What the pods take that are in no pool. */
async function takenByOthers(
  { transport }: KubeClients,
  namespace: string,
): Promise<readonly PodResources[]> {
  const sizes: PodResources[] = []
  for await (const page of livePods(transport, namespace))
    for (const pod of page as readonly V1Pod[])
      if (pod.metadata?.labels?.[label.pool] === undefined) sizes.push(podResources(pod).all)
  return sizes
}

function judgeQuota(quota: Quota, pools: readonly SizedPool[], others: readonly PodResources[]): Finding[] {
  const counted = pools.filter(({ priorityClass }) => countsAgents(quota, priorityClass))
  return Object.entries(quota.hard).flatMap(([resource, text]) => {
    const hard = parseQuantity(text)
    const byOthers = others.reduce((sum, size) => sum + takenOf(resource, size), 0n)
    const need = (bound: 'min' | 'max') =>
      counted.reduce((sum, pool) => sum + pool[bound] * takenOf(resource, pool.size), byOthers)
    if (hard === undefined || need('max') === byOthers) return []
    const told = (bound: 'min' | 'max') =>
      `ResourceQuota ${quota.name} allows ${resource} ${text}; with all pools at ${bound} ${inUnits(need(bound))} are needed.`
    if (need('min') > hard) return [failed(told('min'))]
    return need('max') > hard ? [warning(told('max'))] : []
  })
}

/** Nano-units as people write them: 13.5, or 27917287424 for bytes. */
function inUnits(nano: bigint): string {
  return String(Number(nano) / 1e9)
}

import type { LimitRange } from '../../domain/limit-range.ts'
import { parseQuantity } from '../../domain/quantity.ts'
import { effectiveRow, type WantedResource, type WantedResources } from '../policy/effective-row.ts'
import type { PolicyDocument } from '../policy/policy-document.ts'

type Limits = LimitRange['limits'][number]
type Quantities = NonNullable<Limits['min']>

/**
 * Warnings for rows that a LimitRange of the namespace refuses: every pod of such a row fails when it is created. Judged
 * is what the row gives where a pod asks for nothing. A bound on the whole pod is compared with the agent container
 * alone, as a pool's pod has it.
 */
export function limitRangeWarnings(
  agentTypes: readonly string[],
  policy: PolicyDocument,
  ranges: readonly LimitRange[],
): string[] {
  const broken = agentTypes.flatMap((name) => {
    const row = effectiveRow(name, policy)
    if (!row) return []
    const hasOwnSidecar = policy.agentTypes[name]?.sidecar !== undefined
    const ofAgent = (resources: WantedResources, key: string) =>
      brokenBy(ranges, ['Container', 'Pod'], resources, `/agentTypes/${name}/${key}`)
    const full = ofAgent(row.resources, 'resources')
    return [
      ...full,
      // What is wrong with the limits is said already: both sizes have the same.
      ...(row.idle ? ofAgent(row.idle, 'thin') : []).filter(
        (one) => !full.includes(one.replace('/thin', '/resources')),
      ),
      ...brokenBy(
        ranges,
        ['Container'],
        row.sidecar,
        hasOwnSidecar ? `/agentTypes/${name}/sidecar` : '/defaults/sidecar',
      ),
    ]
  })
  return [...new Set(broken)]
}

function brokenBy(
  ranges: readonly LimitRange[],
  types: readonly string[],
  resources: WantedResources,
  at: string,
): string[] {
  return ranges.flatMap(({ name, limits }) =>
    limits
      .filter(({ type }) => types.includes(type))
      .flatMap((bounds) => {
        const refusal = `LimitRange ${name} refuses every ${nounOf(bounds)} with it`
        return [
          ...resources.flatMap((resource) =>
            breaches(resource, bounds).map((breach) => `${at}/${resource.name}: ${refusal}: ${breach}`),
          ),
          ...unnamedIn(bounds, resources).map((other) => `${at}: ${refusal}: it gives no ${other}`),
        ]
      }),
  )
}

/** A bound asks that there is a request and a limit. */
function unnamedIn({ min, max, maxLimitRequestRatio }: Limits, resources: WantedResources): string[] {
  const bounded = Object.keys({ ...min, ...max, ...maxLimitRequestRatio })
  return bounded.filter((name) => !resources.some((resource) => resource.name === name))
}

function nounOf({ type }: Limits): string {
  return type === 'Pod' ? 'pod' : 'container'
}

function breaches({ name, request, limit }: WantedResource, bounds: Limits): string[] {
  const [asked, most] = [parseQuantity(request) ?? 0n, parseQuantity(limit) ?? 0n]
  const [min, max] = [boundOf(bounds.min, name), boundOf(bounds.max, name)]
  const ratio = boundOf(bounds.maxLimitRequestRatio, name)
  return [
    ...(min && asked < min.value ? [`its request ${request} is less than min ${min.text}`] : []),
    ...(max && most > max.value ? [`its limit ${limit} is more than max ${max.text}`] : []),
    // The ratio is a quantity too: both sides are in nano-units.
    ...(ratio && asked > 0n && most * nanoPerUnit > ratio.value * asked
      ? [`its limit ${limit} is more than ${ratio.text} times its request ${request} (maxLimitRequestRatio)`]
      : []),
  ]
}

const nanoPerUnit = 10n ** 9n

function boundOf(quantities: Quantities | undefined, name: string) {
  if (!quantities || !Object.hasOwn(quantities, name)) return undefined
  const text = quantities[name] ?? ''
  const value = parseQuantity(text)
  return value === undefined ? undefined : { text, value }
}

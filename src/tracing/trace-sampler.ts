import type * as OpenTelemetry from '@opentelemetry/api'
import type * as OpenTelemetrySdk from '@opentelemetry/sdk-trace'
import type { Sampler } from '@opentelemetry/sdk-trace'

type Sdk = typeof OpenTelemetrySdk
type Api = typeof OpenTelemetry

/** What OTEL_TRACES_SAMPLER may be, as the standard names them. */
export const samplerNames = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const
export type SamplerName = (typeof samplerNames)[number]

/**
 * `greenroom=new` in the `tracestate`: the caller SDK made this trace id and records nothing, so whether the trace is kept is
 * not decided yet.
 */
const undecidedState = 'greenroom'

/**
 * Decides which traces are recorded: as OTEL_TRACES_SAMPLER says, with two cases of our own. A trace that the caller SDK
 * began is judged as one that begins here. Work that is done for several requests at once is recorded when one of theirs
 * is.
 */
export function createTraceSampler(
  { api, sdk }: { api: Api; sdk: Sdk },
  name: SamplerName,
  ratio: number,
): Sampler {
  const always = new sdk.AlwaysOnSampler()
  const never = new sdk.AlwaysOffSampler()
  const root = name.endsWith('always_on')
    ? always
    : name.endsWith('always_off')
      ? never
      : new sdk.TraceIdRatioBasedSampler(ratio)
  const inner = name.startsWith('parentbased') ? new sdk.ParentBasedSampler({ root }) : root
  return {
    shouldSample(context, ...asked) {
      const [, , , , links] = asked
      if (links.length > 0) {
        const isWanted = links.some(({ context: { traceFlags } }) => traceFlags & api.TraceFlags.SAMPLED)
        return (isWanted ? always : never).shouldSample()
      }
      const parent = api.trace.getSpanContext(context)
      if (!parent?.isRemote || parent.traceState?.get(undecidedState) !== 'new')
        return inner.shouldSample(context, ...asked)
      const decided = inner.shouldSample(api.trace.deleteSpan(context), ...asked)
      // Whoever comes next in the trace keeps to it.
      return { ...decided, traceState: parent.traceState.unset(undecidedState) }
    },
    toString: () => `Greenroom{${inner.toString()}}`,
  }
}

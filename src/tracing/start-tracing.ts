import { createSpanExports, type SpanOutcome } from './span-exports.ts'
import { recordSpans } from './spans.ts'
import { createTraceSampler, type SamplerName, samplerNames } from './trace-sampler.ts'

/** The environment, or the part of a checked configuration that has the same names. */
export interface TracingSettings {
  readonly GREENROOM_TRACING?: boolean | string | undefined
  readonly OTEL_SDK_DISABLED?: boolean | string | undefined
  readonly OTEL_EXPORTER_OTLP_ENDPOINT?: string | undefined
  readonly OTEL_EXPORTER_OTLP_TRACES_ENDPOINT?: string | undefined
  readonly OTEL_TRACES_SAMPLER?: string | undefined
  readonly OTEL_TRACES_SAMPLER_ARG?: number | string | undefined
}

interface TracingOptions {
  /** `greenroom-api`; OTEL_SERVICE_NAME comes before it. */
  readonly service: string
  /** Which of its processes. */
  readonly instance: string
  readonly onOutcome: (outcome: SpanOutcome, count: number) => void
  readonly onChange: (isWell: boolean, error: Error | undefined) => void
  readonly load?: () => Promise<TracingPackages>
}

export interface Tracing {
  /** Sends what waits, for two seconds at most, and records nothing any more. */
  stop(): Promise<void>
}

/** By the time the last part stops, Kubernetes has given a process most of its 30 s. */
const stopWithinMs = 2_000

/** GREENROOM_TRACING decides; unless it is set, an address of a collector does. */
export function wantsTracing(settings: TracingSettings): boolean {
  const { GREENROOM_TRACING: wanted, OTEL_SDK_DISABLED: disabled } = settings
  if (String(disabled) === 'true') return false
  if (wanted !== undefined && wanted !== '') return String(wanted) === 'true'
  return Boolean(settings.OTEL_EXPORTER_OTLP_ENDPOINT || settings.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT)
}

/** The packages are optional. Throws what `import` throws when they are not installed. */
async function loadPackages() {
  const [api, sdk, { OTLPTraceExporter }, { AsyncLocalStorageContextManager }, resources] = await Promise.all(
    [
      import('@opentelemetry/api'),
      import('@opentelemetry/sdk-trace'),
      import('@opentelemetry/exporter-trace-otlp-http'),
      import('@opentelemetry/context-async-hooks'),
      import('@opentelemetry/resources'),
    ],
  )
  return { api, sdk, OTLPTraceExporter, AsyncLocalStorageContextManager, resources }
}
type TracingPackages = Awaited<ReturnType<typeof loadPackages>>

/**
 * Loads OpenTelemetry's SDK and begins to record spans, which go to the collector by OTLP over HTTP. Its address, headers
 * and certificates are the standard's own variables (OTEL_EXPORTER_OTLP_*), which the exporter reads by itself.
 */
export async function startTracing(
  settings: TracingSettings,
  { service, instance, onOutcome, onChange, load = loadPackages }: TracingOptions,
): Promise<Tracing> {
  const { api, sdk, OTLPTraceExporter, AsyncLocalStorageContextManager, resources } = await load()
  const named = resources.resourceFromAttributes({ 'service.name': service, 'service.instance.id': instance })
  const ofEnvironment = resources.detectResources({
    detectors: [resources.resourceAttributesEnvDetector, resources.serviceNameEnvDetector],
  })
  const { name, ratio } = samplerOf(settings)
  const provider = new sdk.TracerProvider({
    sampler: createTraceSampler({ api, sdk }, name, ratio),
    resource: resources.defaultResource().merge(named).merge(ofEnvironment),
    spanProcessors: [createSpanExports({ sdk, exporter: new OTLPTraceExporter(), onOutcome, onChange })],
  })
  api.context.setGlobalContextManager(new AsyncLocalStorageContextManager())
  api.trace.setGlobalTracerProvider(provider)
  recordSpans(api)
  return {
    async stop() {
      recordSpans(undefined)
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, stopWithinMs)
      })
      // What could not be sent is counted where it fails.
      await Promise.race([provider.shutdown().catch(() => undefined), late])
      clearTimeout(timer)
      api.trace.disable()
      api.context.disable()
    },
  }
}

/** An agent's environment is not checked as ours is: what is not valid there is as if it were not set. */
function samplerOf(settings: TracingSettings): { name: SamplerName; ratio: number } {
  const name = samplerNames.find((known) => known === settings.OTEL_TRACES_SAMPLER)
  const ratio = Number(settings.OTEL_TRACES_SAMPLER_ARG || 1)
  return { name: name ?? 'parentbased_always_on', ratio: ratio >= 0 && ratio <= 1 ? ratio : 1 }
}

import type * as OpenTelemetry from '@opentelemetry/api'
import type { Attributes, Context, Span, SpanContext, Tracer } from '@opentelemetry/api'
import type { TraceContext } from '../domain/trace-context.ts'

/**
 * Spans of OpenTelemetry. Without tracing nothing of it is loaded (9 MB and 25 ms, which each idle agent would pay), and
 * every function here does its work and no more. With tracing the trace that is under way is known by the asynchronous
 * context, so that no function has to hand it on.
 *
 * Attributes are names, ids and numbers. No text of a statement, no value of a caller and no message of an error is among
 * them: those may hold secrets.
 */

type Api = typeof OpenTelemetry

interface Recorder {
  readonly api: Api
  readonly tracer: Tracer
  /** In a context: the spans whose work is done together. */
  readonly together: symbol
}

let recorder: Recorder | undefined

/** To be called once the SDK is in place; with undefined when it stops. */
export function recordSpans(api: Api | undefined): void {
  recorder = api && {
    api,
    tracer: api.trace.getTracer('greenroom'),
    together: api.createContextKey('greenroom.together'),
  }
}

type SpanRole = 'internal' | 'client' | 'server'

interface SpanFacts {
  readonly role?: SpanRole
  readonly attributes?: Attributes
}

/**
 * Does the work in a span of the trace that is under way. Without one it does the work alone: loops of this process begin
 * no traces.
 */
export function traced<T>(name: string, work: () => Promise<T>, facts: SpanFacts = {}): Promise<T> {
  const span = recorder && childSpan(recorder, name, facts)
  return span ? endAfter(span, work) : work()
}

/** Does the work in a span that goes on with a trace of another process, or begins one. */
export function continued<T>(
  name: string,
  trace: TraceContext | undefined,
  work: () => Promise<T>,
  facts: SpanFacts = {},
): Promise<T> {
  const span = beginSpan(name, trace, facts)
  return span ? endAfter(span, work) : work()
}

/** A span whose work is not one function. */
export interface OpenSpan {
  /** For whoever is called within it. */
  readonly trace: TraceContext
  within<T>(work: () => T): T
  note(attributes: Attributes): void
  /** `failure`: a code or the kind of an error, never its message. */
  end(failure?: string): void
}

/** Goes on with a trace of another process, or begins one. undefined without tracing. */
export function beginSpan(
  name: string,
  trace: TraceContext | undefined,
  facts: SpanFacts = {},
): OpenSpan | undefined {
  if (!recorder) return undefined
  const { api, tracer } = recorder
  const parent = trace ? api.trace.setSpanContext(api.ROOT_CONTEXT, remoteSpan(api, trace)) : api.ROOT_CONTEXT
  return openSpan(api, tracer.startSpan(name, optionsOf(api, facts), parent), parent)
}

/** The place in the trace that is under way; undefined without one. */
export function activeTrace(): TraceContext | undefined {
  const span = recorder?.api.trace.getActiveSpan()
  return span && contextOf(span.spanContext())
}

/** What is done later for whoever asks for it now. */
export type AskedFrom = Context | undefined

export function askedFrom(): AskedFrom {
  return recorder?.api.context.active()
}

/**
 * Does the work for all who asked. For one of them its spans are part of his trace. For several they are a trace of their
 * own, linked with theirs in both directions: a span has one parent.
 */
export function doneFor<T>(askers: readonly AskedFrom[], work: () => T): T {
  if (!recorder) return work()
  const { api, together } = recorder
  if (askers.length === 1) return api.context.with(askers[0] ?? api.ROOT_CONTEXT, work)
  const spans = askers.flatMap((asker) => (asker && sampledSpan(api, asker)) ?? [])
  return api.context.with(api.ROOT_CONTEXT.setValue(together, spans), work)
}

function childSpan(
  { api, tracer, together }: Recorder,
  name: string,
  facts: SpanFacts,
): OpenSpan | undefined {
  const active = api.context.active()
  const options = optionsOf(api, facts)
  if (sampledSpan(api, active)) return openSpan(api, tracer.startSpan(name, options, active), active)
  const askers = active.getValue(together) as readonly Span[] | undefined
  if (!askers || askers.length === 0) return undefined
  const links = askers.map((asker) => ({ context: asker.spanContext() }))
  const span = tracer.startSpan(name, { ...options, links, root: true }, active)
  for (const asker of askers) asker.addLink({ context: span.spanContext() })
  return openSpan(api, span, active)
}

/** One that has ended counts as well: work goes on behind the answer to a request. */
function sampledSpan(api: Api, context: Context): Span | undefined {
  const span = api.trace.getSpan(context)
  return span && (span.spanContext().traceFlags & api.TraceFlags.SAMPLED) !== 0 ? span : undefined
}

function openSpan(api: Api, span: Span, parent: Context): OpenSpan {
  const context = api.trace.setSpan(parent, span)
  return {
    trace: contextOf(span.spanContext()),
    within: (work) => api.context.with(context, work),
    note: (attributes) => void span.setAttributes(attributes),
    end(failure) {
      if (failure !== undefined) {
        span.setAttribute('error.type', failure)
        span.setStatus({ code: api.SpanStatusCode.ERROR })
      }
      span.end()
    },
  }
}

async function endAfter<T>(span: OpenSpan, work: () => Promise<T>): Promise<T> {
  let failure: string | undefined
  try {
    return await span.within(work)
  } catch (error) {
    failure = failureOf(error)
    throw error
  } finally {
    span.end(failure)
  }
}

/** Messages of errors quote what callers sent. */
function failureOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error
  const { code } = error as { code?: unknown }
  return typeof code === 'string' && /^\w{1,64}$/.test(code) ? code : error.name
}

function optionsOf(api: Api, { role = 'internal', attributes }: SpanFacts) {
  const kinds = {
    internal: api.SpanKind.INTERNAL,
    client: api.SpanKind.CLIENT,
    server: api.SpanKind.SERVER,
  } satisfies Record<SpanRole, number>
  return { kind: kinds[role], ...(attributes && { attributes }) }
}

function remoteSpan(api: Api, { traceparent, tracestate }: TraceContext): SpanContext {
  const [, traceId = '', spanId = '', flags = '0'] = traceparent.split('-')
  return {
    traceId,
    spanId,
    // Of the flags of later levels nothing is passed on.
    traceFlags: Number.parseInt(flags, 16) & api.TraceFlags.SAMPLED,
    isRemote: true,
    ...(tracestate !== undefined && { traceState: api.createTraceState(tracestate) }),
  }
}

function contextOf({ traceId, spanId, traceFlags, traceState }: SpanContext): TraceContext {
  const traceparent = `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`
  const tracestate = traceState?.serialize()
  return tracestate ? { traceparent, tracestate } : { traceparent }
}

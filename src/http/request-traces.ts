import { type TraceContext, traceContextOf, traceIdOf } from '../domain/trace-context.ts'
import type { Service } from '../serving/service.ts'
import { beginSpan, type OpenSpan } from '../tracing/spans.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** What it does belongs to this trace: the caller's, or with tracing one that begins here. */
    trace: TraceContext | undefined
    traceSpan: OpenSpan | undefined
  }
  interface FastifyContextConfig {
    /** Its answer goes on for hours, which would be one span. */
    isStream?: boolean
  }
}

/** The answer names the trace that the request belongs to, a refusal as well, and so does every line of its log. */
export function answerTraces(app: Service): void {
  app.decorateRequest('trace', undefined)
  app.decorateRequest('traceSpan', undefined)
  app.addHook('onRequest', (request, reply, done) => {
    const given = traceContextOf(request.headers)
    const { url: route, config } = request.routeOptions
    const isTraced = route?.startsWith('/v1/') === true && config.isStream !== true
    const span = isTraced ? beginRequestSpan(request.method, route, given) : undefined
    const trace = span?.trace ?? given
    if (trace === undefined) return done()
    request.trace = trace
    request.traceSpan = span
    void reply.header('traceparent', trace.traceparent)
    request.log = request.log.child({ traceId: traceIdOf(trace) })
    // fastify keeps the context while the body comes.
    if (span) span.within(done)
    else done()
  })
  app.addHook('onResponse', ({ traceSpan }, { statusCode, raw }, done) => {
    traceSpan?.note({ 'http.response.status_code': statusCode })
    traceSpan?.end(raw.writableFinished ? statusFailure(statusCode) : 'caller_gone')
    done()
  })
}

function beginRequestSpan(method: string, route: string, given: TraceContext | undefined) {
  const attributes = { 'http.request.method': method, 'http.route': route }
  return beginSpan(`${method} ${route}`, given, { role: 'server', attributes })
}

/** By the convention for servers a 4xx is no error of theirs. */
function statusFailure(status: number): string | undefined {
  return status >= 500 ? String(status) : undefined
}

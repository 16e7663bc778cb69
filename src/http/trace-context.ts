import type { Service } from '../serving/service.ts'

const form = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

/**
 * The `traceparent` of a request, as it is passed on (W3C Trace Context, level 1). undefined for one that is not valid: it
 * is dropped, and no trace begins here. A later version is passed on as the version that is known.
 */
export function traceparentOf(header: string | readonly string[] | undefined): string | undefined {
  if (typeof header !== 'string' || header.length > 200) return undefined
  const [, version, traceId = '', parentId = '', flags, more] = form.exec(header) ?? []
  if (version === undefined || version === 'ff' || (version === '00' && more !== undefined)) return undefined
  if (/^0+$/.test(traceId) || /^0+$/.test(parentId)) return undefined
  return `00-${traceId}-${parentId}-${flags}`
}

/** The answer names the trace that the request belongs to, a refusal as well, and so does every line of its log. */
export function answerTraces(app: Service): void {
  app.addHook('onRequest', (request, reply, done) => {
    const traceparent = traceparentOf(request.headers.traceparent)
    if (traceparent !== undefined) {
      void reply.header('traceparent', traceparent)
      request.log = request.log.child({ traceId: traceparent.split('-')[1] })
    }
    done()
  })
}

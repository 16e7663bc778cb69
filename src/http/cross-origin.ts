import type { Service } from '../serving/service.ts'

const requestHeaders =
  'authorization, content-type, idempotency-key, last-event-id, traceparent, tracestate, x-request-id'
const exposedHeaders =
  'location, ratelimit, ratelimit-policy, retry-after, server-timing, traceparent, x-request-id'
/** Chromium keeps the answer to a preflight for two hours at most; an origin that is taken away is out sooner. */
const preflightSeconds = 600

/**
 * Lets pages of these origins call the session API with a token of theirs. Nothing else is allowed: no cookies are read,
 * so no credentials mode is. An origin is compared as a whole, so that neither a suffix nor `null` passes.
 */
export function allowOrigins(app: Service, origins: readonly string[]): void {
  if (origins.length === 0) return
  const allowed = new Set(origins)
  const methods = methodsOfBrowsers(app)
  app.addHook('onRequest', async (request, reply) => {
    const { origin } = request.headers
    // Also for callers without an origin: a cache must not give their answer to a page.
    void reply.header('vary', 'Origin')
    if (origin === undefined || !allowed.has(origin)) return
    void reply.header('access-control-allow-origin', origin)
    const isPreflight =
      request.method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined
    if (!isPreflight) {
      void reply.header('access-control-expose-headers', exposedHeaders)
      return
    }
    void reply
      .headers({
        vary: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
        'access-control-allow-methods': [...methods].toSorted().join(', '),
        'access-control-allow-headers': requestHeaders,
        'access-control-max-age': preflightSeconds,
      })
      .code(204)
      .send()
    return reply
  })
}

/** The methods of the routes that take a browser's token; filled as routes are added. */
function methodsOfBrowsers(app: Service): ReadonlySet<string> {
  const methods = new Set<string>()
  app.addHook('onRoute', ({ method, config }) => {
    // Pages need no leave to HEAD.
    if (config?.browserToken) for (const one of [method].flat()) if (one !== 'HEAD') methods.add(one)
  })
  return methods
}

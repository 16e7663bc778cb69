import type { RouteOptions } from 'fastify'
import { GreenroomError } from '../errors.ts'
import type { Service } from '../serving/service.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What this route can answer with, by its schema. */
    media?: readonly string[]
  }
}

/**
 * Refuses a request under /v1 that accepts nothing of what its route answers with, before anything is done. Refusals are
 * problem+json, whatever is accepted.
 */
export function refuseUnacceptable(app: Service): void {
  app.addHook('onRoute', (route) => {
    if (route.url.startsWith('/v1/')) route.config = { ...route.config, media: mediaOf(route) }
  })
  app.addHook('onRequest', (request, _reply, done) => {
    const { media } = request.routeOptions.config
    const { accept } = request.headers
    if (media === undefined || accepts(accept, media)) return done()
    const detail = `Accept asks for none of ${media.join(', ')}.`
    done(new GreenroomError('GRN_NOT_ACCEPTABLE', detail))
  })
}

/** JSON, and what the answers of the schema name in `content`. */
function mediaOf({ schema }: RouteOptions): readonly string[] {
  const responses = (schema?.response ?? {}) as Record<string, { content?: object }>
  const named = Object.values(responses).flatMap(({ content }) => Object.keys(content ?? {}))
  return [...new Set(['application/json', ...named])]
}

/** RFC 9110, 12.5.1, without precedence: a range with a weight above 0 accepts what it covers. */
export function accepts(accept: string | undefined, media: readonly string[]): boolean {
  if (accept === undefined || accept.trim() === '') return true
  const ranges = accept.split(',').flatMap((part) => {
    const [range = '', ...parameters] = part.split(';').map((text) => text.trim().toLowerCase())
    return parameters.some((text) => /^q=0(\.0*)?$/.test(text)) ? [] : [range]
  })
  return ranges.some(
    (range) =>
      range === '*/*' ||
      media.some((one) => range === one || range === `${one.slice(0, one.indexOf('/'))}/*`) ||
      range === 'application/problem+json',
  )
}

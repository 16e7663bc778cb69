import { GreenroomError } from '../errors.ts'
import type { Metrics } from '../metrics.ts'
import type { Overload } from '../serving/overload.ts'
import type { Service } from '../serving/service.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** This route is refused first when there is too much to do: what it does can be done later. */
    canWait?: boolean
  }
}

const retryAfterMs = 1_000

export interface ShedLoadDeps {
  readonly overload: () => Overload | undefined
  readonly metrics: Pick<Metrics, 'requestsShed'>
}

/**
 * Under too much load, opens and lists are refused before anything is done for them. Renewals, ends, reads and tokens of
 * sessions that are there go on: to refuse those would cost sessions, and ends make room.
 */
export function shedLoad(app: Service, { overload, metrics }: ShedLoadDeps): void {
  app.addHook('onRequest', (request, _reply, done) => {
    const cause = request.routeOptions.config.canWait ? overload() : undefined
    if (cause === undefined) return done()
    metrics.requestsShed.inc({ cause })
    done(new GreenroomError('GRN_SERVER_BUSY', undefined, { retryAfterMs }))
  })
}

import type { FastifyRequest } from 'fastify'
import { GreenroomError } from '../errors.ts'
import type { ReviewGate } from './review-gate.ts'
import type { WebhookMetrics } from './webhook-metrics.ts'
import type { WebhookServer } from './webhook-server.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Monotonic ms at which its head had come. */
    arrivedMs: number
    waitTimer: NodeJS.Timeout | undefined
  }
}

/** The longest that the API server ever waits for a webhook; after it a half-sent body is given up. */
export const longestTimeoutMs = 30_000

/**
 * When to ask again; whole seconds on the wire. The API server's client obeys it within its timeout of 2 s (seen with
 * kube-apiserver 1.36.3), so that one refusal fails no pod; a second one does.
 */
const askAgainAfterMs = 1_000

interface IntakeOptions {
  readonly gate: ReviewGate
  readonly metrics: WebhookMetrics
  /** Largest body that is taken, for one whose length is not told. */
  readonly bodyLimitBytes: number
  /** Aborted when this replica is to get no more connections. */
  readonly draining?: AbortSignal | undefined
}

/**
 * Lets a body be read only when there is room for it, and a caller who waited past its own deadline not at all. While
 * draining every answer asks the caller to close its connection: what it sends next goes to another replica.
 */
export function installIntake(app: WebhookServer, options: IntakeOptions): void {
  const { gate, metrics, bodyLimitBytes, draining } = options
  app.decorateRequest('arrivedMs', 0)
  app.decorateRequest('waitTimer', undefined)
  app.addHook('onRequest', (request, reply, done) => {
    request.arrivedMs = performance.now()
    if (draining?.aborted) void reply.header('connection', 'close')
    if (request.method !== 'POST') return done()
    const length = request.headers['content-length']
    const ticket = gate.enter(length === undefined ? bodyLimitBytes : Number(length), () => {
      clearTimeout(request.waitTimer)
      done()
    })
    // Comes after an answer, and when the caller has gone away; fastify's onResponse knows only the answer.
    reply.raw.once('close', () => {
      clearTimeout(request.waitTimer)
      ticket.leave()
    })
    if (ticket.entry === 'in') return done()
    if (ticket.entry === 'full') return done(overloaded('Too many reviews wait in this replica.'))
    metrics.waited.inc()
    request.waitTimer = setTimeout(() => {
      ticket.leave()
      done(overloaded('The review waited until its deadline.'))
    }, deadlineMs(request.url))
  })
}

function overloaded(message: string): GreenroomError {
  return new GreenroomError('GRN_OVERLOADED', message, { retryAfterMs: askAgainAfterMs })
}

/** True when the API server has given the review up: waiting and reading took longer than it allows. */
export function isLate(request: Pick<FastifyRequest, 'arrivedMs' | 'url'>): boolean {
  return performance.now() - request.arrivedMs > deadlineMs(request.url)
}

/** `?timeout=2s`, whole seconds, as the API server gives it; without it its own maximum. */
function deadlineMs(url: string): number {
  const seconds = /[?&]timeout=(\d{1,2})s(?:&|$)/.exec(url)?.[1]
  return seconds === undefined ? longestTimeoutMs : Number(seconds) * 1000
}

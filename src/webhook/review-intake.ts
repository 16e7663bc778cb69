import type { FastifyRequest } from 'fastify'
import { GreenroomError } from '../errors.ts'
import type { Service } from '../serving/service.ts'
import type { ReviewGate } from './review-gate.ts'
import type { WebhookMetrics } from './webhook-metrics.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** When its head had arrived, monotonic ms. */
    arrivedMs: number
    /** Ends its wait for the gate at the caller's deadline. */
    waitTimer: NodeJS.Timeout | undefined
  }
}

/** The API server never waits longer for a webhook; after this time a half-sent body is given up. */
export const longestTimeoutMs = 30_000

/**
 * When to ask again; whole seconds on the wire. The API server's client asks again after this time if its timeout of 2 s
 * allows (seen with kube-apiserver 1.36.3): one refusal fails no pod, a second one does.
 */
const askAgainAfterMs = 1_000

interface IntakeOptions {
  readonly gate: ReviewGate
  readonly metrics: WebhookMetrics
  /** Largest body that is accepted; a body of unknown length counts as this large. */
  readonly bodyLimitBytes: number
}

/** Lets a body be read only when the gate has room for it, and not at all after the caller's deadline. */
export function installIntake(app: Service, options: IntakeOptions): void {
  const { gate, metrics, bodyLimitBytes } = options
  app.decorateRequest('arrivedMs', 0)
  app.decorateRequest('waitTimer', undefined)
  app.addHook('onRequest', (request, reply, done) => {
    request.arrivedMs = performance.now()
    if (request.method !== 'POST') return done()
    const length = request.headers['content-length']
    const ticket = gate.enter(length === undefined ? bodyLimitBytes : Number(length), () => {
      clearTimeout(request.waitTimer)
      done()
    })
    // `close` comes after an answer and when the caller has gone away; fastify's onResponse comes only after an answer.
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

/** True when the API server has given the review up because waiting and reading took longer than it allows. */
export function isLate(request: Pick<FastifyRequest, 'arrivedMs' | 'url'>): boolean {
  return performance.now() - request.arrivedMs > deadlineMs(request.url)
}

/** The API server says `?timeout=2s`, in whole seconds; without it, its own maximum holds. */
function deadlineMs(url: string): number {
  const seconds = /[?&]timeout=(\d{1,2})s(?:&|$)/.exec(url)?.[1]
  return seconds === undefined ? longestTimeoutMs : Number(seconds) * 1000
}

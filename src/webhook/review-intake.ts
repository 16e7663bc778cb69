import type { FastifyRequest } from 'fastify'
import { GreenroomError } from '../errors.ts'
import { pathOf } from '../serving/problem.ts'
import type { Service } from '../serving/service.ts'
import { afterReads } from '../timing/after-reads.ts'
import {
  type BodyPlace,
  createReviewGate,
  defaultGateLimits,
  type GateLimits,
  type ReviewGate,
} from './review-gate.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** When its head had arrived, monotonic ms. */
    arrivedMs: number
    /** Of its body, from the first byte on. */
    bodyPlace: BodyPlace | undefined
  }
}

/** Two objects of at most 3 MiB (the API server's own limit) and the envelope. */
export const bodyLimitBytes = 7 * 1024 * 1024

/** The API server never waits longer for a webhook. */
const longestTimeoutMs = 30_000

/** The shortest that the API server allows. */
const shortestTimeoutMs = 1_000

/**
 * When to ask again; whole seconds on the wire. The API server's client asks again after this time if its timeout of 2 s
 * allows (seen with kube-apiserver 1.36.3): one refusal fails no pod, a second one does.
 */
const askAgainAfterMs = 1_000

/** How often silent bodies are looked for while another body waits. */
const lookMs = 50

export interface IntakeLimits extends GateLimits {
  /** For a body to arrive after its head, if the caller does not say that it waits for less. */
  readonly bodyMs: number
}

export const defaultIntakeLimits: IntakeLimits = {
  ...defaultGateLimits,
  // The time-out of our webhook configurations: the API server has given up a review that comes later.
  bodyMs: 2_000,
}

interface IntakeOptions {
  readonly limits?: IntakeLimits | undefined
  readonly onWait?: () => void
  /** Throws if the caller of this request gets no answer. Called before a byte of its body is read. */
  readonly checkCaller?: (request: FastifyRequest) => void
}

/**
 * Reads bodies. The caller is checked first; then a body counts as its bytes arrive (see the gate), and it must be
 * complete within its deadline.
 */
export function installIntake(app: Service, options: IntakeOptions): ReviewGate {
  const { limits = defaultIntakeLimits, checkCaller } = options
  const gate = createReviewGate(limits)
  const parse = app.getDefaultJsonParser('error', 'error')
  app.decorateRequest('arrivedMs', 0)
  app.decorateRequest('bodyPlace', undefined)
  app.addHook('onRequest', (request, reply, done) => {
    request.arrivedMs = performance.now()
    if (request.method === 'GET' || request.method === 'HEAD') return done()
    // `close` comes after an answer and when the caller has gone away; fastify's onResponse comes only after an answer.
    reply.raw.once('close', () => request.bodyPlace?.leave())
    try {
      // What has no route has no body that anybody reads.
      if (request.is404) throw noRoute(request)
      checkCaller?.(request)
      done()
    } catch (error) {
      // Its body stays unread, so the connection is of no more use.
      void reply.header('connection', 'close')
      done(error as Error)
    }
  })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', (request, payload, done) => {
    const read = readBody(request, payload, { gate, bodyMs: limits.bodyMs, onWait: options.onWait })
    read.then((body) => void parse(request, body, done), done)
  })
  return gate
}

interface Reading {
  readonly gate: ReviewGate
  readonly bodyMs: number
  readonly onWait: (() => void) | undefined
}

/** The whole body as text. Its place in the gate is held until the answer is written or the caller has gone away. */
function readBody(
  request: FastifyRequest,
  payload: NodeJS.ReadableStream,
  reading: Reading,
): Promise<string> {
  const { gate, bodyMs, onWait } = reading
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const chunks: Buffer[] = []
  let bytes = 0
  let lookTimer: NodeJS.Timeout | undefined
  let isOver = false
  const stopWaiting = (): void => {
    clearInterval(lookTimer)
    lookTimer = undefined
  }
  const end = (): void => {
    isOver = true
    stopWaiting()
    clearTimeout(deadline)
  }
  const fail = (error: Error): void => {
    end()
    payload.off('data', onData).off('end', onEnd)
    place.leave()
    chunks.length = 0
    // Nobody reads the rest; what comes is dropped until the connection is closed with the answer.
    payload.resume()
    reject(error)
  }
  const onData = (chunk: Buffer): void => {
    bytes += chunk.length
    if (bytes > bodyLimitBytes) return fail(new GreenroomError('GRN_BODY_TOO_LARGE'))
    const entry = place.take(chunk.length)
    if (entry === 'full') return fail(overloaded('Too many reviews wait in this replica.'))
    chunks.push(chunk)
    if (entry === 'in') return
    payload.pause()
    onWait?.()
    lookTimer = setInterval(() => afterReads(() => gate.look()), lookMs)
  }
  const onEnd = (): void => {
    end()
    place.complete()
    resolve(textOf(chunks))
  }
  const place: BodyPlace = gate.enter({
    onIn() {
      stopWaiting()
      payload.resume()
    },
    onGivenUp: () =>
      fail(new GreenroomError('GRN_BODY_TOO_SLOW', 'The body stopped arriving while others waited')),
  })
  const giveUp = (): void => {
    if (isOver) return
    fail(
      lookTimer
        ? overloaded('The review waited until its deadline.')
        : new GreenroomError('GRN_BODY_TOO_SLOW'),
    )
  }
  const deadline = setTimeout(
    () => afterReads(giveUp),
    request.arrivedMs +
      Math.min(bodyMs, Math.max(deadlineMs(request.url), shortestTimeoutMs)) -
      performance.now(),
  )
  request.bodyPlace = place
  payload.on('data', onData).on('end', onEnd)
  payload.on('error', (cause) =>
    fail(new GreenroomError('GRN_INVALID_REQUEST', 'The body ended early', { cause })),
  )
  return promise
}

function textOf(chunks: readonly Buffer[]): string {
  const [only] = chunks
  return (chunks.length === 1 && only ? only : Buffer.concat(chunks)).toString()
}

function noRoute({ method, url }: FastifyRequest): GreenroomError {
  return new GreenroomError('GRN_NOT_FOUND', `${method} ${pathOf(url)} does not exist.`)
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

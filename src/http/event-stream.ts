import type { OutgoingHttpHeaders } from 'node:http'
import type { FastifyReply } from 'fastify'
import type { HeardEvent } from '../sessions/event-feed.ts'
import type { EventSink } from '../sessions/follow-events.ts'

/**
 * Server-sent events over one response. `opening → open → ended`: what is written is never kept without bound, so a reader
 * that takes too little is told why and dropped; it finds its place again by Last-Event-ID.
 */
export interface EventStream extends EventSink {
  /** Told why, with the time after which to come back. */
  close(reason: CloseReason, retryMs: number): void
  /** A comment, so that proxies and both ends see that the connection lives; nothing if events did that lately. */
  beat(): void
}

/** Why a stream ended before the follower hung up. */
export type CloseReason = 'draining' | 'slow' | 'unauthorized' | 'failed'

interface StreamOptions {
  /** Most bytes that wait for the reader, besides what the kernel holds and what was written in this turn. */
  readonly mostWaitingBytes: number
  /** A reader of the past that takes nothing for so long is dropped. */
  readonly patienceMs: number
  /** The stream is over; undefined: the follower hung up, or has had the last event. */
  readonly onEnd: (reason: CloseReason | undefined) => void
}

const mediaType = 'text/event-stream'

/** How soon a browser comes back after a connection that broke, ms. */
const reconnectMs = 1_000
/** What was sent last may take this long to reach the follower. */
const lingerMs = 5_000
/** Writes so small that they count as taken. */
const lowBytes = 16 * 1024

const frames = new WeakMap<HeardEvent, Buffer>()

/** The text of an event, made once however many hear it. */
function frameOf(event: HeardEvent): Buffer {
  let frame = frames.get(event)
  if (!frame) {
    const { number, json } = event
    frame = Buffer.from(`id: ${number}\nevent: ${event.event.type}\ndata: ${json}\n\n`)
    frames.set(event, frame)
  }
  return frame
}

/** Takes the response over from fastify and sends its head. */
export function openEventStream(reply: FastifyReply, options: StreamOptions): EventStream {
  const { mostWaitingBytes, patienceMs, onEnd } = options
  const { raw } = reply
  const gone = new AbortController()
  let reason: CloseReason | undefined
  let hasWritten = true
  let look: NodeJS.Immediate | undefined
  reply.hijack()
  raw.writeHead(200, {
    ...(reply.getHeaders() as OutgoingHttpHeaders),
    'content-type': mediaType,
    // Proxies must neither keep nor change it, nor collect it before they send it on.
    'cache-control': 'no-store, no-transform',
    'x-accel-buffering': 'no',
    'x-content-type-options': 'nosniff',
  })
  raw.write(`retry: ${reconnectMs}\n\n`)
  // Small writes must not wait for the acknowledgement of the one before.
  raw.socket?.setNoDelay(true)
  raw.on('error', () => raw.destroy())
  raw.once('close', () => {
    finish()
    onEnd(reason)
  })

  function finish(): void {
    if (!gone.signal.aborted) gone.abort()
  }

  function write(data: string | Buffer): void {
    if (gone.signal.aborted) return
    raw.write(data)
    hasWritten = true
    if (raw.writableLength > mostWaitingBytes) look ??= setImmediate(judge)
  }

  /** Not in the turn of the writes: Node hands them to the kernel at its end. */
  function judge(): void {
    look = undefined
    if (raw.writableLength > mostWaitingBytes) close('slow', reconnectMs)
  }

  function end(): void {
    if (gone.signal.aborted) return
    finish()
    raw.end()
    // A reader that takes nothing would hold the connection, and all that waits for it.
    const timer = setTimeout(() => raw.destroy(), lingerMs)
    raw.once('close', () => clearTimeout(timer))
  }

  function close(why: CloseReason, retryMs: number): void {
    if (gone.signal.aborted) return
    reason = why
    raw.write(`retry: ${retryMs}\nevent: closed\ndata: ${JSON.stringify({ reason: why, retryMs })}\n\n`)
    end()
  }

  async function drained(): Promise<void> {
    if (raw.writableLength <= lowBytes || gone.signal.aborted) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(() => close('slow', reconnectMs), patienceMs)
    const over = (): void => resolve()
    raw.once('drain', over)
    gone.signal.addEventListener('abort', over, { once: true })
    await promise
    clearTimeout(timer)
    raw.off('drain', over)
    gone.signal.removeEventListener('abort', over)
  }

  return {
    signal: gone.signal,
    event: (event) => write(frameOf(event)),
    reset(why, after) {
      write(`id: ${after}\nevent: reset\ndata: ${JSON.stringify({ reason: why, after: String(after) })}\n\n`)
    },
    drained,
    end,
    close,
    beat() {
      if (!hasWritten) write(':\n\n')
      hasWritten = false
    },
  }
}

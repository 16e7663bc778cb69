import type { FastifyReply } from 'fastify'
import { GreenroomError } from '../errors.ts'

/**
 * How many lists one replica works at: a page may hold 1 MiB of metadata, and every open waits while it is written. Two at
 * once use what PostgreSQL gives; beyond the queue a caller is told to come back.
 */
interface ListGateLimits {
  readonly atOnce: number
  readonly mostWaiting: number
  /** A caller that reads its answer slowly has its place for no longer. */
  readonly heldMs: number
}

const defaults: ListGateLimits = { atOnce: 2, mostWaiting: 16, heldMs: 5_000 }

/** Takes a place until the answer is written or its caller has gone; throws GRN_LISTS_BUSY when too many wait. */
export type EnterListGate = (reply: FastifyReply, signal: AbortSignal) => Promise<void>

export function createListGate({ atOnce, mostWaiting, heldMs }: ListGateLimits = defaults): EnterListGate {
  const waiting: (() => void)[] = []
  let inside = 0

  function hold({ raw }: FastifyReply): void {
    inside += 1
    const timer = setTimeout(leave, heldMs)
    let hasLeft = false
    function leave(): void {
      if (hasLeft) return
      hasLeft = true
      clearTimeout(timer)
      inside -= 1
      waiting.shift()?.()
    }
    raw.once('finish', leave)
    raw.once('close', leave)
    if (raw.destroyed) leave()
  }

  return async (reply, signal) => {
    if (inside >= atOnce) {
      if (waiting.length >= mostWaiting)
        throw new GreenroomError('GRN_LISTS_BUSY', undefined, { retryAfterMs: 1_000 })
      const { promise, resolve } = Promise.withResolvers<void>()
      waiting.push(resolve)
      signal.addEventListener('abort', () => resolve())
      await promise
      const place = waiting.indexOf(resolve)
      if (place >= 0) waiting.splice(place, 1)
      if (signal.aborted) {
        // The turn of one that has gone is the next one's.
        if (place < 0) waiting.shift()?.()
        throw signal.reason instanceof GreenroomError ? signal.reason : new GreenroomError('GRN_LISTS_BUSY')
      }
    }
    hold(reply)
  }
}

import type { FastifyReply } from 'fastify'

/**
 * Watches an answer until it is written: `end` runs once if the caller hangs up before that. An answer that reached the
 * kernel counts as written; what is lost after that, a lease that the caller holds makes good.
 */
export function endIfUnanswered({ raw }: FastifyReply, end: () => void): void {
  if (raw.destroyed) {
    end()
    return
  }
  raw.once('close', () => {
    if (!raw.writableFinished) end()
  })
}

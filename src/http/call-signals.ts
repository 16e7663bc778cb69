import type { FastifyReply } from 'fastify'

/** Of the call that is answered with this reply. */
export type SignalOf = (reply: FastifyReply) => AbortSignal

/**
 * Makes a signal for each call that waits. It aborts when the caller has hung up, or when this replica drains: a wait
 * must end then. All calls share one listener on `draining`; AbortSignal.any would leave one there with every call.
 */
export function createCallSignals(draining: AbortSignal): SignalOf {
  const open = new Set<AbortController>()
  draining.addEventListener('abort', () => {
    for (const call of open) call.abort(draining.reason)
  })
  return (reply) => {
    const call = new AbortController()
    if (draining.aborted) call.abort(draining.reason)
    open.add(call)
    reply.raw.once('close', () => {
      open.delete(call)
      if (!reply.raw.writableFinished) call.abort()
    })
    return call.signal
  }
}

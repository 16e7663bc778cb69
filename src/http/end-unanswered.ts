import type { FastifyReply } from 'fastify'
import type { Session } from '../domain/session.ts'
import type { Logger } from '../logging.ts'

/** Sessions that nobody knows if the answer to their open is lost. */
interface Unanswered {
  readonly sessions: readonly Pick<Session, 'id' | 'epoch'>[]
  readonly closeSession: (id: string, by: 'unanswered', epoch: number) => Promise<Session>
  readonly logger: Pick<Logger, 'info' | 'warn'>
}

/**
 * Watches an answer until it is written: the sessions end if their caller hangs up before that. An answer that reached the
 * kernel counts as written; what is lost after that, a lease that the caller holds makes good.
 */
export function endIfUnanswered({ raw }: FastifyReply, { sessions, closeSession, logger }: Unanswered): void {
  function end({ id, epoch }: Pick<Session, 'id' | 'epoch'>): void {
    closeSession(id, 'unanswered', epoch).then(
      () => logger.info({ sessionId: id }, 'caller left before the answer: session is ended'),
      (error: unknown) => logger.warn({ err: error, sessionId: id }, 'unanswered session was not ended'),
    )
  }
  if (raw.destroyed) {
    sessions.forEach(end)
    return
  }
  raw.once('close', () => {
    if (!raw.writableFinished) sessions.forEach(end)
  })
}

import type { FastifyRequest } from 'fastify'
import type { Caller } from '../domain/caller.ts'
import { GreenroomError } from '../errors.ts'

type Request = Pick<FastifyRequest, 'caller'>

/** The one project whose sessions this request may see and change; undefined: every project's. */
export function projectOf({ caller }: Request): string | undefined {
  return caller?.projectId
}

/** The project that a request is for, which may name one; throws GRN_FORBIDDEN for another one than its caller's. */
export function projectFor(request: Request, asked: string | undefined): string | undefined {
  const own = projectOf(request)
  if (own === undefined || asked === own) return asked
  if (asked === undefined) return own
  throw new GreenroomError(
    'GRN_FORBIDDEN',
    'This credential is bound to one project, and not to the one that projectId names.',
  )
}

/** Of a route that takes no token of a session, so that `authenticate` has set the caller. */
export function callerOf({ caller }: Request): Caller {
  if (!caller) throw new GreenroomError('GRN_UNAUTHENTICATED')
  return caller
}

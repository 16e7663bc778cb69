import { type Static, Type } from 'typebox'
import { OpenRequest } from '../domain/session-request.ts'
import { Problem } from '../serving/problem.ts'
import { SessionView } from './api-schemas.ts'

/** The wire of POST /v1/sessions:batch. */

const closed = { additionalProperties: false } as const
/** Below the 64 opens of a group of claims (ADR 11), and 5 KiB of a request's 256 KiB are left for each. */
export const mostSessionsInBatch = 50

export const BatchBody = Type.Object(
  {
    sessions: Type.Array(OpenRequest, {
      minItems: 1,
      maxItems: mostSessionsInBatch,
      description:
        'What each session is to be, as in the body of a single open; of one agent type or of several.',
    }),
    atomic: Type.Boolean({
      default: true,
      description: 'All of them or none. False: as many as there are pods, each of them for itself.',
    }),
  },
  closed,
)

export const BatchResultView = Type.Object({
  status: Type.Integer({ description: 'What a single open would be answered with.' }),
  session: Type.Optional(SessionView),
  problem: Type.Optional(Problem),
})
export type BatchResultView = Static<typeof BatchResultView>

export const BatchView = Type.Object({
  opened: Type.Integer({ description: 'How many of the results have a session.' }),
  results: Type.Array(BatchResultView, {
    description: 'In the order of the request: a session, or why there is none.',
  }),
})

import type { FastifyRequest } from 'fastify'
import type { OpenRequest } from '../domain/session-request.ts'
import { problemOf } from '../serving/problem.ts'
import type { Service } from '../serving/service.ts'
import type { BatchResult, OpenBatch } from '../sessions/open-batch.ts'
import type { OpenAnswer } from '../sessions/open-session.ts'
import { OpenHeaders, refusals } from './api-schemas.ts'
import { BatchBody, type BatchResultView, BatchView } from './batch-schemas.ts'
import type { SignalOf } from './call-signals.ts'
import { endIfUnanswered } from './end-unanswered.ts'
import { openedView, openStatus } from './opened-view.ts'
import { projectFor } from './project-of.ts'
import { setRateLimitHeaders } from './rate-limit-headers.ts'
import { serverTiming } from './server-timing.ts'
import type { SessionRouteDeps } from './session-routes.ts'

export interface BatchRouteDeps
  extends Pick<SessionRouteDeps, 'closeSession' | 'browserTokens' | 'headStartMs' | 'noteSession'> {
  readonly openBatch: OpenBatch
}

const description = [
  'All of them or none: when one cannot be opened, none is, and the answer is the refusal of that one (503 GRN_POOL_EMPTY when there are too few pods).',
  'A batch that waits takes only pods that no single open waits for. onEmpty "cold" is for single opens and for batches that are not atomic.',
  'With "atomic": false as many are opened as there are pods, and 207 tells of those that were not.',
  'An Idempotency-Key names the batch: a retry with the same body is answered with the same sessions, in the same order.',
  'Limits of projects count each session.',
].join(' ')

/** POST /v1/sessions:batch. */
export function addBatchRoute(app: Service, deps: BatchRouteDeps, signalOf: SignalOf): void {
  const schema = {
    operationId: 'openSessions',
    summary: 'Open up to 50 sessions, all of them or as many as there are pods',
    description,
    tags: ['sessions'],
    headers: OpenHeaders,
    body: BatchBody,
    response: { 200: BatchView, 201: BatchView, 202: BatchView, 207: BatchView, ...refusals },
  }
  const config = { needs: 'sessions:open', canWait: true } as const
  // The colon is written twice, because one alone begins the name of a parameter.
  app.post('/v1/sessions::batch', { config, schema }, async (request, reply) => {
    const { sessions, atomic } = request.body
    const requests = sessions.map((asked) => inProject(request, asked))
    const idempotencyKey = request.headers['idempotency-key']
    const context = {
      idempotencyKey,
      signal: signalOf(reply),
      logger: request.log,
      trace: request.trace,
      onQuota: (quota: Parameters<typeof setRateLimitHeaders>[1]) => setRateLimitHeaders(reply, quota),
      headStartMs: deps.headStartMs,
    }
    const { openAll, openAvailable } = deps.openBatch
    const results: readonly BatchResult[] = atomic
      ? (await openAll(requests, context)).map((answer) => ({ answer }))
      : await openAvailable(requests, context)
    const answers = results.flatMap((result) => ('answer' in result ? [result.answer] : []))
    for (const { replayed, session } of answers)
      if (!replayed) deps.noteSession(request.caller, 'session.open', session)
    // With a key the retry finds the sessions; without one nobody ever would.
    if (idempotencyKey === undefined)
      endIfUnanswered(reply, {
        sessions: answers.map(({ session }) => session),
        closeSession: deps.closeSession,
        logger: request.log,
      })
    return reply
      .code(statusOf(results))
      .header('server-timing', serverTiming(answers))
      .send({
        opened: answers.length,
        results: results.map((result, nth) => resultView(request, deps, result, nth)),
      })
  })
}

function inProject(request: FastifyRequest, asked: OpenRequest): OpenRequest {
  const projectId = projectFor(request, asked.projectId)
  return { ...asked, ...(projectId !== undefined && { projectId }) }
}

function resultView(
  request: FastifyRequest<{ Body: { readonly sessions: readonly OpenRequest[] } }>,
  { browserTokens }: Pick<BatchRouteDeps, 'browserTokens'>,
  result: BatchResult,
  nth: number,
): BatchResultView {
  if ('refusal' in result) {
    const problem = problemOf(result.refusal, request.url, request.id)
    return {
      status: result.refusal.status,
      problem: { ...problem, instance: `${problem.instance}#/sessions/${nth}` },
    }
  }
  const { answer } = result
  const wanted = request.body.sessions[nth]?.browserToken === true ? browserTokens : undefined
  return { status: openStatus(answer), session: openedView(answer, wanted) }
}

/** 207 when one was refused; else as a single open. */
function statusOf(results: readonly BatchResult[]): 200 | 201 | 202 | 207 {
  const answers: OpenAnswer[] = []
  for (const result of results) {
    if ('refusal' in result) return 207
    answers.push(result.answer)
  }
  const statuses = new Set(answers.map(openStatus))
  return statuses.has(202) ? 202 : statuses.has(201) ? 201 : 200
}

import { sampledTraceId } from '../domain/sampled-trace-id.ts'
import { GreenroomError } from '../errors.ts'
import type { Metrics } from '../metrics.ts'
import type { OpenAnswer } from './open-session.ts'
import type { Opening } from './opening.ts'

/** Of the metric: how an open that was answered went, or the code of its refusal. */
export function outcomeOf({ replayed, session }: OpenAnswer): string {
  return replayed ? 'replayed' : session.status === 'PENDING' ? 'cold' : 'opened'
}

export function outcomeOfError(error: unknown): string {
  return error instanceof GreenroomError ? error.code : 'GRN_INTERNAL'
}

/** Counts and times an open, whole, with its trace as exemplar. */
export function noteOpen(
  { openSeconds }: Pick<Metrics, 'openSeconds'>,
  { request, context }: Pick<Opening, 'request' | 'context'>,
  { outcome, ms }: { readonly outcome: string; readonly ms: number },
): void {
  const traceId = sampledTraceId(context.trace?.traceparent)
  openSeconds.observe({
    labels: { agent_type: request.agentType, outcome },
    value: ms / 1_000,
    ...(traceId !== undefined && { exemplarLabels: { trace_id: traceId } }),
  })
}

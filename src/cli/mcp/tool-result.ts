import type { CallToolResult } from '@modelcontextprotocol/server'
import { GreenroomApiError } from '../../client/client-error.ts'
import { type ErrorCode, errorCatalogue } from '../../error-catalogue.ts'
import { GreenroomError } from '../../errors.ts'

/** What a model is told of a failure: what it was, what to do next, and when another try is worthwhile. */
interface ToolFailure {
  readonly code: string
  readonly message: string
  readonly remedy: string
  readonly retryAfterMs?: number
}

/** The same JSON twice: as text for models, and structured for programs. Fields without a value are left out. */
export function toolResult(value: Readonly<Record<string, unknown>>): CallToolResult {
  const text = JSON.stringify(value)
  return { content: [{ type: 'text', text }], structuredContent: JSON.parse(text) as Record<string, unknown> }
}

export function failedToolResult(error: unknown): CallToolResult {
  return { ...toolResult({ ...failureOf(error) }), isError: true }
}

function failureOf(error: unknown): ToolFailure {
  if (error instanceof GreenroomApiError || error instanceof GreenroomError) {
    const { code, message, retryAfterMs } = error
    const remedy = error instanceof GreenroomError ? error.remedy : error.remediation || remedyOf(code)
    return { code, message, remedy, ...(retryAfterMs !== undefined && { retryAfterMs }) }
  }
  // A mistake of ours. Its words may quote anything, and help no model.
  return {
    code: 'GRN_INTERNAL',
    message: errorCatalogue.GRN_INTERNAL.title,
    remedy: 'Try once more. If it happens again, tell the operator of this server; its stderr says more.',
  }
}

function remedyOf(code: string): string {
  return Object.hasOwn(errorCatalogue, code) ? errorCatalogue[code as ErrorCode].remedy : 'Ask the operator.'
}

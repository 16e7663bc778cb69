import type { Assignment, ConfirmQuestion, EndOrder, LiveKitAccess } from '../domain/assign-contract.ts'
import { AgentError } from './agent-error.ts'

/**
 * Reads the bodies of /assign, /confirm and /end. Their schemas are in `domain/assignment.ts`, but the schema library is too
 * slow to load here (see `domain/assign-contract.ts`). A property test shows that these checks and the schemas agree.
 */

type Fields = Readonly<Record<string, unknown>>

/** @throws AgentError AGENT_BAD_JSON, AGENT_BAD_REQUEST */
export function readAssignment(rawBody: Buffer): Assignment {
  const body = parse(rawBody)
  if (!isAssignment(body)) throw new AgentError('AGENT_BAD_REQUEST', 'not an assignment')
  return body
}

/** @throws AgentError AGENT_BAD_JSON, AGENT_BAD_REQUEST */
export function readEndOrder(rawBody: Buffer): EndOrder {
  const body = parse(rawBody)
  if (!isEndOrder(body)) throw new AgentError('AGENT_BAD_REQUEST', 'not an end order')
  return body
}

/** @throws AgentError AGENT_BAD_JSON, AGENT_BAD_REQUEST */
export function readConfirmQuestion(rawBody: Buffer): ConfirmQuestion {
  const body = parse(rawBody)
  if (!isConfirmQuestion(body)) throw new AgentError('AGENT_BAD_REQUEST', 'not a question to confirm')
  return body
}

export function isAssignment(value: unknown): value is Assignment {
  return (
    isObject(value) &&
    ['sessionId', 'podUid', 'agentType', 'room', 'sessionToken'].every((key) => isString(value[key])) &&
    isEpoch(value.epoch) &&
    Number.isInteger(value.leaseMs) &&
    optional(value, 'livekit', isLiveKitAccess) &&
    optional(value, 'metadata', isObject) &&
    optional(value, 'secrets', (secrets) => isObject(secrets) && Object.values(secrets).every(isString)) &&
    optional(value, 'apiUrl', isString)
  )
}

export function isEndOrder(value: unknown): value is EndOrder {
  return isObject(value) && isString(value.sessionId) && isEpoch(value.epoch) && isString(value.reason)
}

export function isConfirmQuestion(value: unknown): value is ConfirmQuestion {
  return (
    isObject(value) && isString(value.sessionId) && isEpoch(value.epoch) && typeof value.seal === 'boolean'
  )
}

export function isLiveKitAccess(value: unknown): value is LiveKitAccess {
  return isObject(value) && ['url', 'room', 'token', 'expiresAt'].every((key) => isString(value[key]))
}

function parse(rawBody: Buffer): unknown {
  try {
    return JSON.parse(rawBody.toString())
  } catch {
    // The parser's message quotes the body, and the body holds secrets.
    throw new AgentError('AGENT_BAD_JSON')
  }
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isString(value: unknown): value is string {
  return typeof value === 'string'
}

function isEpoch(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 1
}

function optional(value: Fields, key: string, check: (value: unknown) => boolean): boolean {
  return !(key in value) || check(value[key])
}

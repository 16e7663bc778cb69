import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Assignment, AssignmentEcho, EndOrder } from '../domain/assign-contract.ts'
import { assignPath, confirmPath, endPath } from '../domain/assign-contract.ts'
import { traceContextOf } from '../domain/trace-context.ts'
import { activeTrace, continued } from '../tracing/spans.ts'
import { AgentError } from './agent-error.ts'
import { type AgentLog, errorKeys } from './agent-log.ts'
import type { AgentMetrics } from './agent-metrics.ts'
import { readAssignment, readConfirmQuestion, readEndOrder } from './assign-body.ts'
import type { AssignVerifier } from './assign-verifier.ts'
import type { AssignmentGate } from './assignment-gate.ts'
import { type AgentReply, matchPath, problemReply, readBody, sendReply } from './http-exchange.ts'
import { http } from './node-http.ts'

/** For the whole request: a slow peer holds only a socket, and no longer than this. */
const requestTimeoutMs = 10_000

/** What the agent's own routes are given. */
export interface AgentRequest {
  readonly params: Readonly<Record<string, string>>
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
  /** The session being served; undefined before the assignment. */
  readonly assignment: Assignment | undefined
  readonly metrics: AgentMetrics
}

/** `'POST /sessions/:sessionId/echo'` → handler. A thrown {@link AgentError} becomes its problem, any other a 500. */
export type AgentRoutes = Readonly<
  Record<string, (request: AgentRequest) => AgentReply | Promise<AgentReply>>
>

interface Parts {
  readonly podUid: string
  /** undefined: not known, and not compared. */
  readonly agentType: string | undefined
  readonly gate: AssignmentGate
  readonly metrics: AgentMetrics
  readonly routes: AgentRoutes
  readonly verify: AssignVerifier
  /** The assignment was taken, or it is the one that was taken before. */
  readonly onAccepted: (assignment: Assignment) => void
  readonly endSession: (order: EndOrder) => void
  readonly log: AgentLog
}

interface AgentHttp {
  /** Without a host at all addresses, of IPv4 and IPv6. */
  listen(host: string | undefined, port: number): Promise<{ address: string; port: number }>
  /** Takes no new connection and resolves when the requests in flight are answered. */
  close(): Promise<void>
}

/** The HTTP side of the agent contract: probes, /assign, /confirm, /end, /metrics and the agent's own routes. */
export function createAgentHttp(parts: Parts): AgentHttp {
  const inFlight = new Set<ServerResponse>()
  let closing = false
  const server = http.createServer({ requestTimeout: requestTimeoutMs }, (request, response) => {
    inFlight.add(response)
    response.once('close', () => {
      inFlight.delete(response)
      closeRest()
    })
    void respond(parts, request, response)
  })
  // Connections without a complete request must not delay the exit, and close() alone waits for them.
  const closeRest = (): void => {
    if (closing && inFlight.size === 0) server.closeAllConnections()
  }

  return {
    async listen(host, port) {
      server.listen(port, host)
      await once(server, 'listening')
      const bound = server.address() as AddressInfo
      return { address: bound.address, port: bound.port }
    },
    close: () =>
      new Promise((resolve) => {
        closing = true
        // The only error is "not running": it is closed already.
        server.close(() => resolve())
        closeRest()
      }),
  }
}

async function respond(parts: Parts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  let reply: AgentReply
  try {
    reply = await route(parts, request)
  } catch (error) {
    if (!(error instanceof AgentError)) {
      parts.log('error', 'request failed', { path: pathOf(request), ...errorKeys(error) })
    }
    reply = problemReply(error instanceof AgentError ? error : new AgentError('AGENT_INTERNAL'))
  }
  // So that no client sends its next request on a connection that is about to close.
  if (parts.gate.state() === 'leaving') response.setHeader('connection', 'close')
  sendReply(response, reply)
}

async function route(parts: Parts, request: IncomingMessage): Promise<AgentReply> {
  const { gate, metrics } = parts
  const path = pathOf(request)
  switch (`${request.method} ${path}`) {
    case 'GET /health':
      return { status: 200, json: { status: 'healthy' } }
    case 'GET /ready': {
      const ready = ['idle', 'assigning', 'serving'].includes(gate.state())
      return ready
        ? { status: 200, json: { status: 'ready' } }
        : { status: 503, json: { status: 'not ready', state: gate.state() } }
    }
    case 'GET /metrics':
      return { status: 200, text: await metrics.text(), contentType: metrics.contentType }
    case `POST ${assignPath}`:
      return continued(`POST ${assignPath}`, traceContextOf(request.headers), () => assign(parts, request), {
        role: 'server',
        attributes: { 'greenroom.pod.uid': parts.podUid },
      })
    case `POST ${confirmPath}`:
      return confirm(parts, request)
    case `POST ${endPath}`:
      return end(parts, request)
  }
  for (const [pattern, handle] of Object.entries(parts.routes)) {
    const [method, pathPattern = ''] = pattern.split(' ')
    const params = method === request.method ? matchPath(pathPattern, path) : undefined
    if (!params) continue
    const body = await readBody(request)
    return handle({ params, headers: request.headers, body, assignment: gate.serving(), metrics })
  }
  throw new AgentError('AGENT_NOT_FOUND')
}

async function assign(parts: Parts, request: IncomingMessage): Promise<AgentReply> {
  const rawBody = await readBody(request)
  const verified = parts.verify(request.headers.authorization, rawBody)
  const assignment = readAssignment(rawBody)
  requireSame(verified, assignment)
  if (assignment.podUid !== parts.podUid)
    throw new AgentError('AGENT_UNAUTHENTICATED', 'meant for another pod')
  if (parts.agentType !== undefined && assignment.agentType !== parts.agentType)
    throw new AgentError('AGENT_OTHER_TYPE')
  await parts.gate.accept(assignment, activeTrace() ?? traceContextOf(request.headers))
  parts.onAccepted(assignment)
  return echo(parts, assignment)
}

async function confirm(parts: Parts, request: IncomingMessage): Promise<AgentReply> {
  const rawBody = await readBody(request)
  const verified = parts.verify(request.headers.authorization, rawBody)
  const question = readConfirmQuestion(rawBody)
  requireSame(verified, question)
  const { sessionId, epoch, seal } = question
  if (!(await parts.gate.confirms(sessionId, epoch, seal))) throw new AgentError('AGENT_UNASSIGNED')
  return echo(parts, question)
}

/** Answers before the hook runs: the session server only needs to know that the order arrived. */
async function end(parts: Parts, request: IncomingMessage): Promise<AgentReply> {
  const rawBody = await readBody(request)
  const verified = parts.verify(request.headers.authorization, rawBody)
  const order = readEndOrder(rawBody)
  requireSame(verified, order)
  if (!parts.gate.holds(order.sessionId, order.epoch)) throw new AgentError('AGENT_OTHER_SESSION')
  parts.endSession(order)
  return echo(parts, order)
}

function requireSame(
  claims: { sub: string; epoch: number },
  body: { sessionId: string; epoch: number },
): void {
  if (claims.sub !== body.sessionId || claims.epoch !== body.epoch) {
    throw new AgentError('AGENT_UNAUTHENTICATED', 'the token names another session or epoch than the body')
  }
}

function echo({ podUid }: Parts, { sessionId, epoch }: { sessionId: string; epoch: number }): AgentReply {
  const confirmed: AssignmentEcho = { podUid, sessionId, epoch, confirms: true }
  return { status: 200, json: confirmed }
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '/').split('?', 1)[0] ?? '/'
}

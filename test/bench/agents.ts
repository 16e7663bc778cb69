import { createPublicKey, hash, type KeyObject, verify } from 'node:crypto'
import { once } from 'node:events'
import type { Server } from 'node:net'
import { createAddressPool } from '../../bed/kubelet/address-pool.ts'
import { AgentError } from '../../src/agent/agent-error.ts'
import { readAssignment, readConfirmQuestion, readEndOrder } from '../../src/agent/assign-body.ts'
import { type AssignmentGate, createAssignmentGate } from '../../src/agent/assignment-gate.ts'
import { type AssignClaims, assignPath, confirmPath, endPath } from '../../src/domain/assign-contract.ts'
import { agentPort } from '../../src/domain/names.ts'
import { createOneRequestServer, type OneReply, type OneRequest } from './one-request-server.ts'

/**
 * Thousands of agent pods in one process: each has an address of its own, and all keep the contract (DESIGN §4) over
 * real HTTP, with the gate and the body checks of the SDK. Only the token is checked by node:crypto at once instead of
 * by jose in the thread pool: in a cluster that work is done by other machines than the one that is measured.
 */
export interface Agents {
  readonly addresses: readonly string[]
  /** Which pod an address is from now on: a fresh one, without a session. */
  place(pods: readonly { readonly ip: string; readonly uid: string }[]): void
  /** Every pod is fresh again. */
  reset(): void
  /** How many pods hold a session, and how many deliveries were refused since the last reset. */
  tally(): { readonly held: number; readonly refused: number }
  close(): Promise<void>
}

interface AgentsOptions {
  readonly count: number
  /** JWK Set with the public keys, as the ConfigMap has it. */
  readonly assignKeys: string
}

interface Pod {
  readonly uid: string
  gate: AssignmentGate
}

export async function startAgents({ count, assignKeys }: AgentsOptions): Promise<Agents> {
  const keys = importKeys(assignKeys)
  const range = await createAddressPool()
  const pods = new Map<string, Pod>()
  let refused = 0
  async function reply(address: string, request: OneRequest): Promise<OneReply> {
    try {
      const json = await answer(pods.get(address), keys, request)
      return { status: 200, contentType: 'application/json', body: JSON.stringify(json) }
    } catch (error) {
      refused += 1
      const { status, problem } = asAgentError(error)
      return { status, contentType: 'application/problem+json', body: JSON.stringify(problem) }
    }
  }
  const addresses = Array.from({ length: count }, () => range.take())
  const listeners = await Promise.all(
    addresses.map((address) => listen(address, (request) => reply(address, request))),
  )
  return {
    addresses,
    place(placed) {
      for (const { ip, uid } of placed) pods.set(ip, { uid, gate: freshGate() })
    },
    reset() {
      refused = 0
      for (const pod of pods.values()) pod.gate = freshGate()
    },
    tally: () => ({ held: [...pods.values()].filter(({ gate }) => gate.serving()).length, refused }),
    async close() {
      await Promise.all(listeners.map((listener) => new Promise((resolve) => listener.close(resolve))))
      await range.close()
    },
  }
}

async function listen(address: string, reply: (request: OneRequest) => Promise<OneReply>): Promise<Server> {
  const listener = createOneRequestServer(reply)
  listener.listen(agentPort, address)
  await once(listener, 'listening')
  return listener
}

function freshGate(): AssignmentGate {
  const gate = createAssignmentGate(async () => undefined)
  gate.open()
  return gate
}

async function answer(
  pod: Pod | undefined,
  keys: ReadonlyMap<string, KeyObject>,
  { method, path, authorization, body }: OneRequest,
): Promise<object> {
  if (!pod) throw new AgentError('AGENT_NOT_READY')
  if (method === 'GET' && path === '/health') return { status: 'healthy' }
  if (method === 'GET' && path === '/ready') return { status: 'ready' }
  if (method !== 'POST') throw new AgentError('AGENT_NOT_FOUND')
  const claims = verifyDelivery(authorization, { keys, podUid: pod.uid, body })
  if (path === assignPath) return assign(pod, claims, body)
  if (path === confirmPath) return confirm(pod, claims, body)
  if (path === endPath) return end(pod, claims, body)
  throw new AgentError('AGENT_NOT_FOUND')
}

async function assign(pod: Pod, claims: AssignClaims, body: Buffer): Promise<object> {
  const assignment = readAssignment(body)
  const { sessionId, epoch, podUid } = assignment
  requireSame(claims, assignment)
  if (podUid !== pod.uid) throw new AgentError('AGENT_UNAUTHENTICATED')
  await pod.gate.accept(assignment)
  return { podUid, sessionId, epoch, confirms: true }
}

async function confirm(pod: Pod, claims: AssignClaims, body: Buffer): Promise<object> {
  const question = readConfirmQuestion(body)
  requireSame(claims, question)
  const { sessionId, epoch, seal } = question
  if (!(await pod.gate.confirms(sessionId, epoch, seal))) throw new AgentError('AGENT_UNASSIGNED')
  return { podUid: pod.uid, sessionId, epoch }
}

function end(pod: Pod, claims: AssignClaims, body: Buffer): object {
  const order = readEndOrder(body)
  requireSame(claims, order)
  if (!pod.gate.holds(order.sessionId, order.epoch)) throw new AgentError('AGENT_OTHER_SESSION')
  pod.gate.leave()
  return { podUid: pod.uid, sessionId: order.sessionId, epoch: order.epoch }
}

function requireSame(claims: AssignClaims, { sessionId, epoch }: { sessionId: string; epoch: number }): void {
  if (claims.sub !== sessionId || claims.epoch !== epoch) throw new AgentError('AGENT_UNAUTHENTICATED')
}

interface Delivery {
  readonly keys: ReadonlyMap<string, KeyObject>
  readonly podUid: string
  readonly body: Buffer
}

/** The checks of the SDK's verifier, signature included. */
function verifyDelivery(authorization: string | undefined, { keys, podUid, body }: Delivery): AssignClaims {
  const [header = '', payload = '', signature = ''] = (authorization ?? '').replace(/^Bearer /, '').split('.')
  const { kid, alg } = parse(header) as { kid?: string; alg?: string }
  const key = keys.get(kid ?? '')
  if (!key || alg !== 'EdDSA') throw new AgentError('AGENT_UNAUTHENTICATED')
  const signed = Buffer.from(`${header}.${payload}`)
  if (!verify(null, signed, key, Buffer.from(signature, 'base64url')))
    throw new AgentError('AGENT_UNAUTHENTICATED')
  const claims = parse(payload) as AssignClaims
  const fits =
    claims.aud === podUid &&
    claims.exp > Date.now() / 1_000 &&
    claims.bodyHash === hash('sha256', body, 'base64url')
  if (!fits) throw new AgentError('AGENT_UNAUTHENTICATED')
  return claims
}

function parse(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString())
  } catch {
    throw new AgentError('AGENT_UNAUTHENTICATED')
  }
}

function importKeys(text: string): ReadonlyMap<string, KeyObject> {
  const { keys } = JSON.parse(text) as { keys: { kid: string }[] }
  return new Map(keys.map(({ kid, ...key }) => [kid, createPublicKey({ key: key as never, format: 'jwk' })]))
}

function asAgentError(error: unknown): AgentError {
  return error instanceof AgentError ? error : new AgentError('AGENT_INTERNAL')
}

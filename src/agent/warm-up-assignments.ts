import { generateKeyPairSync, hash, type KeyObject, sign } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Assignment } from '../domain/assign-contract.ts'
import { assignAlgorithm, assignPath } from '../domain/assign-contract.ts'
import { createAgentHttp } from './agent-http.ts'
import type { AgentLog } from './agent-log.ts'
import type { AgentMetrics } from './agent-metrics.ts'
import { createHeldSession } from './agent-session.ts'
import { createAssignVerifier } from './assign-verifier.ts'
import { type AssignmentGate, createAssignmentGate } from './assignment-gate.ts'

interface WarmUpOptions {
  /** Where the agent listens; the warm-up takes a free port there. */
  readonly address: string
  readonly podUid: string
  readonly metrics: AgentMetrics
  /** False as soon as the real assignment is there: what is left of the warm-up would hold it up. */
  readonly isWanted: () => boolean
}

/** After these the engine knows the code of an assignment; eight more gained nothing that could be measured. */
const times = 4

/** Stands wherever a name is asked for: key id, session, room. */
const warmUpName = 'warm-up'

/**
 * Takes a few assignments before the real one, while nobody waits. An agent takes one assignment in its life, and the
 * first through the verifier and the HTTP server takes several times as long as the next. The warm-up has a port, a
 * gate and a key pair of its own: it accepts nothing that the session server signs, and nothing that it accepts reaches
 * the agent.
 *
 * The pod is Ready meanwhile. Each step is short, and what comes from outside is answered between two of them.
 */
export async function warmUpAssignments({
  address,
  podUid,
  metrics,
  isWanted,
}: WarmUpOptions): Promise<void> {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: warmUpName }
  let gate = newGate(metrics)
  const http = createAgentHttp({
    podUid,
    agentType: warmUpName,
    // A gate takes one assignment.
    get gate() {
      return gate
    },
    metrics,
    routes: {},
    verify: createAssignVerifier(JSON.stringify({ keys: [jwk] }), podUid),
    onAccepted: () => undefined,
    endSession: () => undefined,
    log: silent,
  })
  const { port } = await http.listen(address, 0)
  const request = requestOf(podUid, privateKey)
  const socket = connect(port, reachable(address))
  try {
    for (let time = 0; time < times && isWanted(); time += 1) {
      gate = newGate(metrics)
      await exchange(socket, request)
    }
  } finally {
    socket.destroy()
    await http.close()
  }
}

const silent: AgentLog = () => undefined

function newGate(metrics: AgentMetrics): AssignmentGate {
  const gate = createAssignmentGate(async (assignment) => {
    createHeldSession({ assignment, metrics, log: silent, onOver: () => undefined }).stop()
  })
  gate.open()
  return gate
}

/** Written by hand: Node's HTTP client would cost more than the assignments, and an idle agent has no other use for it. */
async function exchange(socket: Socket, request: string): Promise<void> {
  socket.write(request)
  const [answer] = (await once(socket, 'data')) as [Buffer]
  const [status = ''] = answer.toString('latin1').split('\r\n', 1)
  if (!status.startsWith('HTTP/1.1 200 '))
    throw new Error(`an assignment of the warm-up was answered ${status}`)
}

/** Enough for a warm-up, however busy the machine is. */
const tokenTtlSeconds = 60

function requestOf(podUid: string, privateKey: KeyObject): string {
  const assignment: Assignment = {
    sessionId: warmUpName,
    epoch: 1,
    podUid,
    agentType: warmUpName,
    room: warmUpName,
    sessionToken: warmUpName,
    leaseMs: 1_000,
  }
  const body = JSON.stringify(assignment)
  const claims = {
    sub: warmUpName,
    aud: podUid,
    epoch: 1,
    bodyHash: hash('sha256', body, 'base64url'),
    exp: Math.floor(Date.now() / 1_000) + tokenTtlSeconds,
  }
  const signed = `${encode({ alg: assignAlgorithm, kid: warmUpName })}.${encode(claims)}`
  const signature = sign(null, Buffer.from(signed), privateKey).toString('base64url')
  const head = [
    `POST ${assignPath} HTTP/1.1`,
    `host: ${warmUpName}`,
    `authorization: Bearer ${signed}.${signature}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
  ]
  return `${head.join('\r\n')}\r\n\r\n${body}`
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

/** A server on all addresses, also of IPv6, is reached on loopback. */
function reachable(address: string): string {
  return address === '0.0.0.0' || address === '::' ? '127.0.0.1' : address
}

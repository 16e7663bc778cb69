import { generateKeyPairSync, hash, type KeyObject, sign } from 'node:crypto'
import { request } from 'node:http'
import type { Assignment } from '../domain/assign-contract.ts'
import { assignAlgorithm, assignPath } from '../domain/assign-contract.ts'
import { createAgentHttp } from './agent-http.ts'
import type { AgentLog } from './agent-log.ts'
import type { AgentMetrics } from './agent-metrics.ts'
import { createHeldSession } from './agent-session.ts'
import { createAssignVerifier } from './assign-verifier.ts'
import { createAssignmentGate } from './assignment-gate.ts'

interface WarmUpOptions {
  /** Where the agent listens; the warm-up takes a free port there. */
  readonly address: string
  readonly podUid: string
  readonly metrics: AgentMetrics
}

/** After a dozen the engine has compiled the code of an assignment; more gained nothing that could be measured. */
const times = 12

/** Stands wherever a name is asked for: key id, session, room. */
const warmUpName = 'warm-up'

/**
 * Takes a few assignments before the real one, while nobody waits. An agent takes one assignment in its life, and the
 * first through the verifier and the HTTP server takes several times as long as the next. The warm-up has a port, a
 * gate and a key pair of its own: it accepts nothing that the session server signs, and nothing that it accepts reaches
 * the agent.
 */
export async function warmUpAssignments({ address, podUid, metrics }: WarmUpOptions): Promise<void> {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: warmUpName }
  const verify = createAssignVerifier(JSON.stringify({ keys: [jwk] }), podUid)
  for (let time = 0; time < times; time += 1) {
    const gate = createAssignmentGate(async (assignment) => {
      createHeldSession({ assignment, metrics, log: silent, onOver: () => undefined }).stop()
    })
    gate.open()
    const http = createAgentHttp({
      podUid,
      agentType: warmUpName,
      gate,
      metrics,
      routes: {},
      verify,
      onAccepted: () => undefined,
      endSession: () => undefined,
      log: silent,
    })
    const { port } = await http.listen(address, 0)
    await postAssignment({ address, port, podUid }, privateKey)
    await http.close()
  }
}

const silent: AgentLog = () => undefined

/** Enough for a warm-up, however busy the machine is. */
const tokenTtlSeconds = 60

async function postAssignment(
  target: { address: string; port: number; podUid: string },
  privateKey: KeyObject,
): Promise<void> {
  const sessionId = warmUpName
  const assignment: Assignment = {
    sessionId,
    epoch: 1,
    podUid: target.podUid,
    agentType: sessionId,
    room: sessionId,
    sessionToken: sessionId,
    leaseMs: 1_000,
  }
  const body = JSON.stringify(assignment)
  const exp = Math.floor(Date.now() / 1_000) + tokenTtlSeconds
  const claims = {
    sub: sessionId,
    aud: target.podUid,
    epoch: 1,
    bodyHash: hash('sha256', body, 'base64url'),
    exp,
  }
  const signed = `${encode({ alg: assignAlgorithm, kid: warmUpName })}.${encode(claims)}`
  const signature = sign(null, Buffer.from(signed), privateKey).toString('base64url')
  const status = await post(target, `Bearer ${signed}.${signature}`, body)
  if (status !== 200) throw new Error(`an assignment of the warm-up was answered ${status}`)
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function post(
  { address, port }: { address: string; port: number },
  authorization: string,
  body: string,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request({
      // A server on all addresses is reached on loopback.
      host: address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address,
      port,
      path: assignPath,
      method: 'POST',
      agent: false,
      headers: {
        authorization,
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
      },
    })
    sent.on('error', reject)
    sent.on('response', (response) => {
      response.resume()
      response.on('end', () => resolve(response.statusCode ?? 0))
    })
    sent.end(body)
  })
}

import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import type { Test } from 'tap'
import type { Assignment } from '../../src/domain/assignment.ts'

/** Both sides of the agent contract, for the tests of either. */

export interface KeyPair {
  readonly kid: string
  readonly privateJwk: Record<string, unknown>
  readonly publicJwk: Record<string, unknown>
}

export function newKeyPair(kid: string): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  return {
    kid,
    privateJwk: { ...privateKey.export({ format: 'jwk' }), kid },
    publicJwk: { ...publicKey.export({ format: 'jwk' }), kid },
  }
}

export function privateSet(...pairs: readonly KeyPair[]): string {
  return JSON.stringify({ keys: pairs.map((pair) => pair.privateJwk) })
}

export function publicSet(...pairs: readonly KeyPair[]): string {
  return JSON.stringify({ keys: pairs.map((pair) => pair.publicJwk) })
}

export const podUid = '1fdc1f52-0bd1-4e02-a8f5-0d5a5a0c0001'

export function newAssignment(overrides: Partial<Assignment> = {}): Assignment {
  return {
    sessionId: '0198c0de-0000-7000-8000-000000000001',
    epoch: 1,
    podUid,
    agentType: 'echo-agent',
    room: 'room-0198c0de',
    sessionToken: 'grs_token_of_the_test',
    leaseMs: 60_000,
    ...overrides,
  }
}

export function newRecipient(overrides: { ip?: string; uid?: string; assignKeyIds?: string[] } = {}) {
  return { uid: podUid, name: 'echo-agent-1', ip: '127.0.0.1', assignKeyIds: ['k1'], ...overrides }
}

/** A real HTTP server on a port of its own, closed with the test. */
export async function startHttp(
  t: Test,
  handle: (request: IncomingMessage, response: ServerResponse, body: string) => void,
): Promise<number> {
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8')
    request.on('data', (chunk: string) => {
      body += chunk
    })
    request.on('end', () => handle(request, response, body))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}

/** A TCP server that is no HTTP server. */
export async function startTcp(t: Test, handle: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createTcpServer((socket) => {
    sockets.add(socket)
    // The other side cuts connections on purpose here.
    socket.on('error', () => socket.destroy())
    handle(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return (server.address() as AddressInfo).port
}

import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

/** A call of an agent with its session token. */
export interface AgentCall {
  readonly method: string
  readonly path: string
  readonly authorization: string | undefined
  readonly body: string
  readonly at: number
}

/** Stands for the session API: agents renew, say that they joined, and finish here. */
export interface SessionServer {
  readonly url: string
  /** All calls for this session, oldest first. */
  callsOf(sessionId: string): readonly AgentCall[]
  /** From now on every call for this session is told that another epoch holds it. */
  makeStale(sessionId: string): void
  close(): void
}

export async function startSessionServer(host: string): Promise<SessionServer> {
  const calls: AgentCall[] = []
  const stale = new Set<string>()
  const server = createServer((request, response) => void take(request, response))
  async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    calls.push(await readCall(request))
    const sessionId = sessionIn(request.url ?? '')
    const isStale = stale.has(sessionId)
    response.writeHead(isStale ? 409 : request.method === 'DELETE' ? 202 : 200, {
      'content-type': isStale ? 'application/problem+json' : 'application/json',
    })
    // As the session API answers: the agent reads `lease.renewAfterMs`, and a refusal's `code`.
    response.end(
      JSON.stringify(
        isStale ? { status: 409, code: 'GRN_STALE_EPOCH' } : { id: sessionId, lease: { renewAfterMs: 500 } },
      ),
    )
  }
  server.listen(0, host)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://${host}:${port}`,
    callsOf: (sessionId) => calls.filter(({ path }) => sessionIn(path) === sessionId),
    makeStale: (sessionId) => void stale.add(sessionId),
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

async function readCall(request: IncomingMessage): Promise<AgentCall> {
  const body = await text(request).catch(() => '')
  const { method = '', url: path = '', headers } = request
  return { method, path, authorization: headers.authorization, body, at: performance.now() }
}

function sessionIn(path: string): string {
  return decodeURIComponent(/^\/v1\/sessions\/([^/?]+)/.exec(path)?.[1] ?? '')
}

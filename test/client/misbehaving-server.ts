import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import type { Test } from 'tap'

/** A session API that answers as a test tells it, one request after the other, and notes what it was asked. */

export interface Asked {
  readonly method: string
  readonly path: string
  readonly key: string | undefined
  readonly traceparent: string | undefined
  readonly tracestate: string | undefined
  readonly body: unknown
}

/** Answers one request; `session` when there is nothing else to say. */
export type Answer = (response: ServerResponse, asked: Asked) => unknown

export const id = '0198c0de-0000-7000-8000-000000000001'

export const sessionWith = (changes: object = {}) => ({
  id,
  status: 'ACTIVE',
  agentType: 'echo-agent',
  roomName: 'r',
  epoch: 1,
  pod: { name: 'p', uid: 'u', ip: '127.0.0.9' },
  lease: { expiresAt: new Date(Date.now() + 60_000).toISOString(), renewAfterMs: 20_000, heldBy: 'both' },
  createdAt: new Date().toISOString(),
  ...changes,
})

export function sends(status: number, body: unknown, headers: Record<string, string> = {}): Answer {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(typeof body === 'string' ? body : JSON.stringify(body))
  }
}

export function refuses(status: number, code: string, more: object = {}): Answer {
  const problem = {
    code,
    status,
    title: 'T',
    detail: 'D. R',
    remedy: 'R',
    requestId: 'q-1',
    instance: '/',
    type: 't',
  }
  return sends(status, { ...problem, ...more }, { 'content-type': 'application/problem+json' })
}

/** The connection is cut before an answer. */
export const cuts: Answer = (response) => response.destroy()
/** The connection is cut in the middle of one. */
export const cutsHalfway: Answer = (response) => {
  response.writeHead(201, { 'content-type': 'application/json', 'content-length': 5_000 })
  response.write('{"id":')
  setTimeout(() => response.destroy(), 20)
}
/** No answer, ever. */
export const hangs: Answer = () => undefined

/** Answers by method and path: `{'POST /v1/sessions': [first, second, …]}`; the last one stays. */
export async function startMisbehavingServer(t: Test, answers: Readonly<Record<string, readonly Answer[]>>) {
  const asked: Asked[] = []
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const { method = '', url = '' } = request
    const path = url.split('?')[0] ?? ''
    const body = method === 'POST' && request.headers['content-type'] ? await json(request) : undefined
    const { 'idempotency-key': key, traceparent, tracestate } = request.headers as Record<string, string>
    const one = { method, path: url, key, traceparent, tracestate, body }
    asked.push(one)
    const name = `${method} ${path.replace(id, ':id')}`
    const list = answers[name]
    const nth = asked.filter((other) => other.method === method && other.path.split('?')[0] === path).length
    const chosen = list?.[Math.min(nth, list.length) - 1] ?? sends(200, sessionWith())
    chosen(response, one)
  }
  const server = createServer(
    (request, response) => void answer(request, response).catch(() => response.destroy()),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    asked,
    count: (start: string) => asked.filter((one) => `${one.method} ${one.path}`.startsWith(start)).length,
  }
}

import { type IncomingHttpHeaders, request } from 'node:http'

/** One request to the agent, on a connection of its own, as the session server and the kubelet make them. */

interface ContractCall {
  readonly host: string
  readonly port: number
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
  readonly timeoutMs: number
}

export interface Answer {
  /** 0: there was no answer, and `body` says why. */
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly tookMs: number
}

/** Never rejects: no answer is an answer here. */
export function callAgent({
  host,
  port,
  method,
  path,
  headers,
  body,
  timeoutMs,
}: ContractCall): Promise<Answer> {
  const startedAt = performance.now()
  return new Promise((resolve) => {
    const finish = (status: number, text: string, answered: IncomingHttpHeaders = {}) =>
      resolve({ status, headers: answered, body: text, tookMs: performance.now() - startedAt })
    const sent = request({
      host,
      port,
      method,
      path,
      agent: false,
      signal: AbortSignal.timeout(timeoutMs),
      headers: { ...headers, ...(body !== undefined && { 'content-length': Buffer.byteLength(body) }) },
    })
    let status = 0
    const onError = (error: NodeJS.ErrnoException) => {
      // A refusal may come before the whole body was taken, and the connection ends with it.
      if (status === 0)
        finish(
          0,
          error.name === 'AbortError' ? `nothing within ${timeoutMs} ms` : (error.code ?? error.message),
        )
    }
    sent.on('error', onError)
    sent.on('response', (response) => {
      status = response.statusCode ?? 0
      const chunks: Buffer[] = []
      const end = () => finish(status, Buffer.concat(chunks).toString(), response.headers)
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', end)
      response.on('error', end)
    })
    sent.end(body)
  })
}

/** "answered 401", or why there was no answer. */
export function inWords({ status, body }: Answer): string {
  return status === 0 ? `did not answer (${body})` : `answered ${status}`
}

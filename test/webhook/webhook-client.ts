import { type RequestOptions, request } from 'node:https'
import type { TLSSocket } from 'node:tls'

export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly text: string
  /** The parsed body; undefined if it is not JSON. */
  readonly json: unknown
  /** Fingerprint of the certificate that the server showed. */
  readonly fingerprint: string | undefined
}

/** One HTTPS request on a connection of its own. */
export function call(options: RequestOptions, body?: string | Buffer): Promise<Reply> {
  const { promise, resolve, reject } = Promise.withResolvers<Reply>()
  const outgoing = request({ agent: false, ...options }, (response) => {
    const socket = response.socket as TLSSocket
    const fingerprint = socket.getPeerCertificate().fingerprint256
    let text = ''
    response.setEncoding('utf8')
    response.on('data', (chunk: string) => {
      text += chunk
    })
    response.on('error', reject)
    response.on('end', () => {
      let json: unknown
      try {
        json = JSON.parse(text)
      } catch {
        json = undefined
      }
      resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json, fingerprint })
    })
  })
  outgoing.on('error', reject)
  outgoing.end(body)
  return promise
}

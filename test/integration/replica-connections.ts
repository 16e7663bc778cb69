import { Agent, type RequestOptions, request } from 'node:https'
import type { TLSSocket } from 'node:tls'

/** What a replica of the webhook shows to a new connection, and to one that has been open all along. */

/** One connection that stays: asks again and again on the same socket. */
export function keptConnection(url: string) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const { hostname, port } = new URL(url)
  const options: RequestOptions = { hostname, port, path: '/livez', agent, rejectUnauthorized: false }
  const sockets = new Set<unknown>()
  return {
    sockets: () => sockets.size,
    ask(): Promise<number> {
      const { promise, resolve, reject } = Promise.withResolvers<number>()
      const asked = request(options, (answer) => {
        sockets.add(answer.socket)
        answer.resume().on('end', () => resolve(answer.statusCode ?? 0))
      })
      asked.on('error', reject).end()
      return promise
    },
    close: () => agent.destroy(),
  }
}

/** The certificate that a new connection to this replica shows. */
export function shownBy(url: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const { hostname, port } = new URL(url)
  request({ hostname, port, path: '/livez', agent: false, rejectUnauthorized: false }, (answer) => {
    resolve((answer.socket as TLSSocket).getPeerCertificate().fingerprint256)
    answer.resume()
  })
    .on('error', reject)
    .end()
  return promise
}

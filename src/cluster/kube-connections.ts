import { isDeepStrictEqual } from 'node:util'
import { Agent, type Dispatcher } from 'undici'
import type { KubeAccess, KubeTls } from './kube-access.ts'

/** The connections of one process to the API server, kept and shared by every client and watch. */
interface KubeConnections {
  /** For the next request: with the credentials of now. Throws when there are none. */
  next(): Promise<{ readonly dispatcher: Dispatcher; readonly headers: Readonly<Record<string, string>> }>
  /** Trusts no idle connection any more: the next request opens one. What is under way is not disturbed. */
  renew(): void
  close(): void
}

/** The API server closes idle connections after 90 s; we go first, so that no request meets a closing socket. */
const idleConnectionMs = 30_000

/** TCP notices a vanished peer even where nothing is sent. */
const tcpKeepAliveMs = 15_000

export function createKubeConnections(access: KubeAccess): KubeConnections {
  let pool: { readonly tls: KubeTls; readonly dispatcher: Promise<Dispatcher> } | undefined

  const open = async (tls: KubeTls): Promise<Dispatcher> => (await access.proxy?.()) ?? createAgent(tls)

  const renew = (): void => {
    // It goes on with what is under way. One that never opened has told its request why.
    pool?.dispatcher.then((dispatcher) => dispatcher.close()).catch(() => undefined)
    pool = undefined
  }

  return {
    async next() {
      const { headers, tls } = await access.credentials()
      // Certificates belong to a connection.
      if (pool && !isDeepStrictEqual(pool.tls, tls)) renew()
      pool ??= { tls, dispatcher: open(tls) }
      try {
        return { dispatcher: await pool.dispatcher, headers }
      } catch (error) {
        renew()
        throw error
      }
    },
    renew,
    close: renew,
  }
}

function createAgent(tls: KubeTls): Agent {
  return new Agent({
    connect: { ...tls, keepAlive: true, keepAliveInitialDelay: tcpKeepAliveMs },
    keepAliveTimeout: idleConnectionMs,
    keepAliveMaxTimeout: idleConnectionMs,
    // Over HTTP/2 a lost segment of one watch would hold up every other request.
    allowH2: false,
    // Our own limits count: of a whole answer, and of a watch's silence.
    headersTimeout: 0,
    bodyTimeout: 0,
  })
}

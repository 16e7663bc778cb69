import { connect, createServer, type Server, type Socket } from 'node:net'
import { resetSocket } from './reset-socket.ts'

/**
 * A TCP proxy that misbehaves on demand, for tests of faults between two parts.
 *
 * - `pass`: forwards both ways.
 * - `delay`: forwards, each chunk later by `delayMs`, order kept.
 * - `half-open`: accepts, but forwards nothing either way, as after a cable was pulled.
 * - `drop-replies`: forwards requests and swallows the answers: the effect happens, the caller does not learn it.
 * - `refuse`: closes every connection at once.
 */
export type ProxyMode = 'pass' | 'delay' | 'half-open' | 'drop-replies' | 'refuse'

export interface TcpProxy {
  readonly host: string
  readonly port: number
  /** Takes effect for the connections there are and for those to come. */
  set(mode: ProxyMode, options?: { readonly delayMs?: number }): void
  /** Cuts every connection there is (RST); new ones are treated by the mode. */
  cut(): void
  /** Connections open at present. */
  connections(): number
  stop(): Promise<void>
}

interface ProxyTarget {
  readonly host?: string
  readonly port: number
}

export async function startTcpProxy(target: ProxyTarget): Promise<TcpProxy> {
  const host = '127.0.0.1'
  const fault = { mode: 'pass' as ProxyMode, delayMs: 0 }
  const pairs = new Set<readonly [Socket, Socket]>()
  const cut = () => {
    for (const [client, upstream] of pairs) {
      resetSocket(client)
      resetSocket(upstream)
    }
  }
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
    if (fault.mode === 'refuse') return resetSocket(client)
    const upstream = connect({
      host: target.host ?? host,
      port: target.port,
      noDelay: true,
      allowHalfOpen: true,
    })
    const pair = [client, upstream] as const
    pairs.add(pair)
    const end = () => {
      pairs.delete(pair)
      client.destroy()
      upstream.destroy()
    }
    forward(client, upstream, () => fault.mode !== 'half-open', fault)
    forward(upstream, client, () => fault.mode !== 'half-open' && fault.mode !== 'drop-replies', fault)
    for (const socket of pair) socket.on('error', end).on('close', end)
  })
  const port = await listen(server, host)
  return {
    host,
    port,
    set: (mode, { delayMs = 0 } = {}) => {
      fault.mode = mode
      fault.delayMs = mode === 'delay' ? delayMs : 0
      if (mode === 'refuse') cut()
    },
    cut,
    connections: () => pairs.size,
    stop: async () => {
      cut()
      const { promise, resolve } = Promise.withResolvers<void>()
      server.close(() => resolve())
      await promise
    },
  }
}

/** Forwards the chunks that `mayPass` lets through when they arrive; the others are lost. */
function forward(
  from: Socket,
  to: Socket,
  mayPass: () => boolean,
  fault: { readonly delayMs: number },
): void {
  // Each chunk on its way listens for the end of the connection.
  from.setMaxListeners(0)
  // Chained, so that a shorter delay later cannot overtake.
  let before: Promise<void> = Promise.resolve()
  const later = (action: () => void) => {
    const delayMs = fault.delayMs
    if (delayMs === 0) {
      before = before.then(action)
      return
    }
    const { promise, resolve } = Promise.withResolvers<void>()
    const arrived = () => {
      clearTimeout(timer)
      from.off('close', arrived)
      resolve()
    }
    const timer = setTimeout(arrived, delayMs)
    from.on('close', arrived)
    before = Promise.all([before, promise]).then(action)
  }
  from.on('data', (chunk) => {
    if (mayPass()) later(() => to.writable && to.write(chunk))
  })
  from.on('end', () => {
    if (mayPass()) later(() => to.end())
  })
}

async function listen(server: Server, host: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen(0, host, resolve)
  await promise
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy has no TCP address')
  return address.port
}

import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** What a Service does for the webhook: each connection goes to one of the replicas that take connections, in turn. */
export interface TcpBalancer {
  stop(): Promise<void>
}

interface Address {
  readonly host: string
  readonly port: number
}

export async function startTcpBalancer(listen: Address, backends: readonly Address[]): Promise<TcpBalancer> {
  const sockets = new Set<Socket>()
  let turn = 0
  const keep = (socket: Socket): void => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  }
  /** Tries every backend once; a client for whom there is none is refused. */
  const forward = (client: Socket, tries: number): void => {
    const backend = backends[turn++ % backends.length]
    if (backend === undefined || tries === 0) return void client.resetAndDestroy()
    const upstream = connect({ ...backend, noDelay: true })
    keep(upstream)
    upstream.once('error', () => forward(client, tries - 1))
    upstream.once('connect', () => {
      upstream.removeAllListeners('error')
      for (const [one, other] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        one.on('error', () => other.destroy())
        one.once('close', () => other.destroy())
        one.pipe(other)
      }
    })
  }
  const server = createServer({ noDelay: true }, (client) => {
    keep(client)
    client.on('error', () => client.destroy())
    forward(client, backends.length)
  })
  server.listen(listen.port, listen.host)
  await once(server, 'listening')
  return {
    async stop() {
      server.close()
      for (const socket of sockets) socket.destroy()
      if (server.listening) await once(server, 'close')
    },
  }
}

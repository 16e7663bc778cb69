import { connect, createServer, type Server, type Socket } from 'node:net'
import { pause } from '../../src/timing/pause.ts'
import { resetSocket } from '../servers/reset-socket.ts'
import { isReady } from './is-ready.ts'

/** A small readiness-aware TCP balancer: what a Service with its EndpointSlices does for the replicas in a cluster. */
export interface Balancer {
  readonly url: string
  /** Backends that answered their last `/readyz` with 200. */
  ready(): readonly string[]
  /** Connections that were handed to this backend so far, refused ones excluded. */
  accepted(backend: string): number
  /** Connections open at present. */
  connections(): number
  stop(): Promise<void>
}

interface BalancerOptions {
  /** `http(s)://host:port` of each; asked for `/readyz`, as a kubelet does: whatever certificate it shows. */
  readonly backends: readonly string[]
  /** To listen on; any free one unless given. */
  readonly port?: number
  readonly checkEveryMs?: number
}

/** A cluster takes seconds. This is less than the shortest drain of a test, and costs next to nothing. */
const defaultCheckEveryMs = 100
/** On loopback a connection is made or refused at once, unless the backlog is full. */
const connectTimeoutMs = 500

interface Backend {
  readonly url: string
  readonly host: string
  readonly port: number
  ready: boolean
  accepted: number
}

/**
 * New connections go round-robin to ready backends; open ones stay where they are. A backend that does not take a
 * connection is skipped before a byte is sent. With no backend ready the connection is reset. Resolves when every
 * backend has been asked once.
 */
export async function startBalancer(options: BalancerOptions): Promise<Balancer> {
  const { checkEveryMs = defaultCheckEveryMs } = options
  const backends = options.backends.map(backendOf)
  const stopping = new AbortController()
  const sockets = new Set<Socket>()
  let turn = 0

  const check = async (backend: Backend) => {
    backend.ready = await isReady(backend.url)
  }
  const keepChecking = async (backend: Backend) => {
    while (!stopping.signal.aborted) {
      await pause(checkEveryMs, stopping.signal)
      if (!stopping.signal.aborted) await check(backend)
    }
  }

  /** Every ready backend once, beginning with the next one. */
  function inTurn(): readonly Backend[] {
    turn += 1
    return backends
      .map((_, n) => backends[(turn + n) % backends.length] as Backend)
      .filter(({ ready }) => ready)
  }

  async function join(client: Socket): Promise<void> {
    for (const backend of inTurn()) {
      const upstream = await connected(backend)
      if (!upstream) {
        // Not ready until its next check, so that other connections do not try it.
        backend.ready = false
        continue
      }
      if (client.destroyed) return void upstream.destroy()
      backend.accepted += 1
      return couple(client, upstream)
    }
    resetSocket(client)
  }

  function couple(client: Socket, upstream: Socket): void {
    const reset = () => {
      resetSocket(client)
      resetSocket(upstream)
    }
    const end = () => {
      client.destroy()
      upstream.destroy()
    }
    sockets.add(upstream)
    upstream.once('close', () => sockets.delete(upstream))
    for (const socket of [client, upstream]) socket.on('error', reset).on('close', end)
    client.pipe(upstream)
    upstream.pipe(client)
  }

  const server = createServer({ noDelay: true, allowHalfOpen: true, pauseOnConnect: true }, (client) => {
    sockets.add(client)
    client.once('close', () => sockets.delete(client))
    // The caller may hang up before it is coupled.
    client.on('error', () => client.destroy())
    void join(client)
  })
  await Promise.all(backends.map(check))
  const port = await listen(server, options.port ?? 0)
  const checks = backends.map(keepChecking)
  return {
    url: `http://127.0.0.1:${port}`,
    ready: () => backends.filter(({ ready }) => ready).map(({ url }) => url),
    accepted: (url) => backends.find((backend) => backend.url === url)?.accepted ?? 0,
    connections: () => sockets.size / 2,
    async stop() {
      stopping.abort()
      const { promise, resolve } = Promise.withResolvers<void>()
      server.close(() => resolve())
      for (const socket of sockets) socket.destroy()
      await Promise.all([promise, ...checks])
    },
  }
}

function backendOf(url: string): Backend {
  const { hostname, port } = new URL(url)
  return { url, host: hostname, port: Number(port), ready: false, accepted: 0 }
}

/** Resolves with undefined if the backend does not take the connection. */
function connected({ host, port }: Backend): Promise<Socket | undefined> {
  const { promise, resolve } = Promise.withResolvers<Socket | undefined>()
  const socket = connect({ host, port, noDelay: true, allowHalfOpen: true })
  const give = () => {
    socket.destroy()
    resolve(undefined)
  }
  const timer = setTimeout(give, connectTimeoutMs)
  socket.once('error', give)
  socket.once('connect', () => {
    socket.removeListener('error', give)
    clearTimeout(timer)
    resolve(socket)
  })
  void promise.then(() => clearTimeout(timer))
  return promise
}

async function listen(server: Server, wanted: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen(wanted, '127.0.0.1', resolve)
  await promise
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the balancer has no TCP address')
  return address.port
}

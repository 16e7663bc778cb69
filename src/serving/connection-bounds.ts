import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { afterReads } from '../timing/after-reads.ts'

/**
 * Bounds the connections of a server. A connection costs its caller nothing, so a caller may hold as many as it likes,
 * silent or with half a head. When there are too many, one is closed: of the address that has the most, and there the
 * oldest that was never answered, else the one that has rested longest. So somebody who fills the server loses
 * connections of his own, and the pool of a well-behaved client stays.
 *
 * A silent connection is not closed for its age alone: Go's HTTP client opens connections ahead of need, and one that we
 * close just as the client takes it fails a request.
 */
export interface ConnectionLimits {
  readonly total: number
  /** From one address. */
  readonly perAddress: number
  /** For a head to arrive after its first byte. */
  readonly headMs: number
}

/** How often heads are looked at. */
const lookMs = 500

interface Connection {
  readonly socket: Socket
  readonly address: string
  /** Bytes that had come when it last rested. */
  bytesAtRest: number
  /** When a head was first seen to be incomplete. */
  headSinceMs: number | undefined
  requests: number
  answered: boolean
}

export interface ConnectionBounds {
  open(): number
  /** Closed so far to make room, and for a head that did not come. */
  closed(): number
}

export function boundConnections(
  server: Server,
  limits: ConnectionLimits,
  nowMs: () => number = () => performance.now(),
): ConnectionBounds {
  // By age, and what was answered last stands last.
  const byAddress = new Map<string, Map<number, Connection>>()
  let open = 0
  let closed = 0

  const close = ({ socket }: Connection): void => {
    closed += 1
    socket.destroy()
  }

  const forget = (connection: Connection, port: number): void => {
    const ofAddress = byAddress.get(connection.address)
    if (ofAddress?.get(port) !== connection) return
    ofAddress.delete(port)
    open -= 1
    if (ofAddress.size === 0) byAddress.delete(connection.address)
  }

  const makeRoom = (): void => {
    let most: Map<number, Connection> | undefined
    for (const ofAddress of byAddress.values()) if (ofAddress.size > (most?.size ?? 0)) most = ofAddress
    if (most && (open > limits.total || most.size > limits.perAddress)) closeOne(most)
  }

  const closeOne = (ofAddress: Map<number, Connection>): void => {
    let victim: [number, Connection] | undefined
    for (const entry of ofAddress) {
      const [, connection] = entry
      if (!connection.answered) {
        victim = entry
        break
      }
      if (connection.requests === 0) victim ??= entry
    }
    victim ??= ofAddress.entries().next().value
    if (!victim) return
    close(victim[1])
    // Its `close` event comes later, and the next connection must not choose it again.
    forget(victim[1], victim[0])
  }

  server.on('connection', (socket: Socket) => {
    const { remoteAddress: address, remotePort: port } = socket
    if (address === undefined || port === undefined) return
    const connection: Connection = {
      socket,
      address,
      bytesAtRest: 0,
      headSinceMs: undefined,
      requests: 0,
      answered: false,
    }
    let ofAddress = byAddress.get(address)
    if (!ofAddress) byAddress.set(address, (ofAddress = new Map()))
    ofAddress.set(port, connection)
    open += 1
    socket.once('close', () => forget(connection, port))
    makeRoom()
  })
  // Over TLS, the socket with the plain bytes is another one.
  server.on('secureConnection', (socket: Socket) => {
    const { remoteAddress = '', remotePort = 0 } = socket
    const connection = byAddress.get(remoteAddress)?.get(remotePort)
    if (!connection) return
    // The bytes of the handshake are no head: a client may open a connection now and use it later.
    Object.assign(connection, { socket, bytesAtRest: socket.bytesRead, headSinceMs: undefined })
  })
  server.on('request', ({ socket }, response) => {
    const { remoteAddress = '', remotePort = 0 } = socket
    const ofAddress = byAddress.get(remoteAddress)
    const connection = ofAddress?.get(remotePort)
    if (!ofAddress || !connection) return
    connection.requests += 1
    connection.headSinceMs = undefined
    response.once('close', () => {
      connection.requests -= 1
      connection.bytesAtRest = socket.bytesRead
      // A refusal earns nothing.
      if (response.statusCode >= 400 || ofAddress.get(remotePort) !== connection) return
      connection.answered = true
      ofAddress.delete(remotePort)
      ofAddress.set(remotePort, connection)
    })
  })

  const look = (): void => {
    for (const ofAddress of byAddress.values())
      for (const connection of ofAddress.values()) lookAt(connection)
  }
  const lookAt = (connection: Connection): void => {
    const { socket, requests, bytesAtRest, headSinceMs } = connection
    if (requests > 0 || socket.bytesRead <= bytesAtRest) return
    if (headSinceMs === undefined) connection.headSinceMs = nowMs()
    else if (nowMs() - headSinceMs >= limits.headMs) close(connection)
  }
  const timer = setInterval(() => afterReads(look), lookMs)
  timer.unref()
  server.once('close', () => clearInterval(timer))
  return { open: () => open, closed: () => closed }
}

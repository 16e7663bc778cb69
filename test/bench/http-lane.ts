import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

/** What the load generator keeps of an answer. */
export interface LaneAnswer {
  /** 0 when the connection was lost instead. */
  readonly status: number
  /** Header `location`, where there is one. */
  readonly location: string | undefined
}

/**
 * One kept connection that sends whole requests and reads answers that have a content-length, one at a time. By hand
 * rather than through node:http: it takes a third of the processor time, and the server measured shares the cores.
 */
export interface HttpLane {
  send(request: string): Promise<LaneAnswer>
  close(): void
}

interface LaneTarget {
  readonly host: string
  readonly port: number
  readonly tls?: { readonly ca: string }
}

/** Resolves when it is connected; a connection that is lost is made again with the next request. */
export async function openHttpLane(target: LaneTarget): Promise<HttpLane> {
  let socket: Socket | undefined
  let waiting: ((answer: LaneAnswer) => void) | undefined
  let read = ''

  const settle = (answer: LaneAnswer): void => {
    const resolve = waiting
    waiting = undefined
    read = ''
    resolve?.(answer)
  }
  const onData = (chunk: string): void => {
    read = read === '' ? chunk : read + chunk
    const answer = wholeAnswer(read)
    if (answer) settle(answer)
  }
  async function reconnect(): Promise<Socket> {
    const { promise, resolve, reject } = Promise.withResolvers<Socket>()
    const fresh = connected(target, () => resolve(fresh))
    fresh.on('error', reject)
    // latin1: one character a byte, so that content-length can be compared with the length of the text.
    fresh.setEncoding('latin1').on('data', onData)
    fresh.once('close', () => {
      socket = undefined
      settle(lost)
    })
    return promise
  }

  socket = await reconnect()
  return {
    async send(request) {
      const { promise, resolve } = Promise.withResolvers<LaneAnswer>()
      try {
        socket ??= await reconnect()
      } catch {
        return lost
      }
      waiting = resolve
      socket.write(request, 'latin1')
      return promise
    },
    close() {
      socket?.destroy()
    },
  }
}

function connected({ host, port, tls }: LaneTarget, onConnected: () => void): Socket {
  if (!tls) return connect({ host, port, noDelay: true }, onConnected)
  const socket = connectTls({ host, port, ca: tls.ca }, onConnected)
  socket.setNoDelay(true)
  return socket
}

const lost: LaneAnswer = { status: 0, location: undefined }

/** undefined while some of it is still to come. */
export function wholeAnswer(read: string): LaneAnswer | undefined {
  const headEnd = read.indexOf('\r\n\r\n')
  if (headEnd < 0) return undefined
  const head = read.slice(0, headEnd)
  const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0)
  if (read.length < headEnd + 4 + length) return undefined
  return { status: Number(head.slice(9, 12)), location: /\r\nlocation: (\S+)/i.exec(head)?.[1] }
}

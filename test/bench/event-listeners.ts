import { connect, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { type BenchProcess, startBenchProcess } from './bench-process.ts'

/** Thousands of event streams in a process of its own, read by hand: their clients must cost the machine little. */

interface StreamOrder {
  readonly host: string
  readonly port: number
  readonly headers: Readonly<Record<string, string>>
  /** Of each stream; `{n}` is its number. */
  readonly path: string
  readonly count: number
}

/** What came since the last question. */
interface Heard {
  readonly open: number
  /** From the time that an event says to its arrival, microseconds; one for each listener that heard it. */
  readonly latenciesUs: readonly number[]
}

type ListenerCalls = {
  /** Resolves when each has its head. */
  open(order: StreamOrder): Promise<number>
  heard(order: undefined): Heard
  close(order: undefined): Promise<void>
}
export type EventListeners = BenchProcess<ListenerCalls>

export function startEventListeners(logPath: string): EventListeners {
  const program = fileURLToPath(new URL('./event-listener-program.ts', import.meta.url))
  return startBenchProcess({ program, logPath })
}

/** As many connections under way at once: a listening socket keeps 511 waiting. */
const openedAtOnce = 200

export function createListenerCalls() {
  const sockets = new Set<Socket>()
  let latenciesUs: number[] = []

  function openOne({ host, port, headers, path }: StreamOrder, n: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const socket = connect({ host, port, noDelay: true })
    sockets.add(socket)
    const lines = Object.entries({ host, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`)
    socket.write(`GET ${path.replace('{n}', String(n))} HTTP/1.1\r\n${lines.join('')}\r\n`)
    // What is left of an event that came in pieces.
    let rest = ''
    socket.setEncoding('latin1').on('data', (piece: string) => {
      const chunk = rest + piece
      rest = chunk.slice(chunk.lastIndexOf('\n') + 1)
      const now = performance.timeOrigin + performance.now()
      if (chunk.startsWith('HTTP/1.1')) {
        if (chunk.startsWith('HTTP/1.1 200')) resolve()
        else reject(new Error(chunk.slice(0, 300)))
      }
      for (const [, at = ''] of chunk.slice(0, chunk.length - rest.length).matchAll(/"at":"([^"]+)"/g))
        latenciesUs.push((now - Date.parse(at)) * 1_000)
    })
    socket.on('error', reject)
    socket.on('close', () => sockets.delete(socket))
    return promise
  }

  return {
    async open(order: StreamOrder): Promise<number> {
      for (let n = 0; n < order.count; n += openedAtOnce) {
        const group = Array.from({ length: Math.min(openedAtOnce, order.count - n) }, (_, i) => n + i)
        await Promise.all(group.map((number) => openOne(order, number)))
      }
      return sockets.size
    },
    heard(): Heard {
      const heard = { open: sockets.size, latenciesUs }
      latenciesUs = []
      return heard
    },
    async close(): Promise<void> {
      for (const socket of sockets) socket.destroy()
    },
  }
}

import type { Redis } from 'ioredis'
import type { Wake, WakeBus } from '../domain/index-ports.ts'
import type { Logger } from '../logging.ts'
import { wakeChannel } from './redis-keys.ts'

interface WakeBusDeps {
  readonly publisher: Redis
  readonly subscriber: Redis
  readonly logger: Logger
}

/** Wake-ups of one pool within this time are sent as one: a listener only learns that it should look. */
const joinedMs = 5

const kinds: readonly string[] = [
  'claimed',
  'missed',
  'indexed',
  'ending',
  'ended',
  'activated',
  'limits',
  'room',
  'keys',
  'numbered',
  'following',
] satisfies Wake['kind'][]

/** Wake-ups over Redis pub/sub. They may be lost at any time, so every listener also looks by itself (ADR 0005). */
export function createRedisWakeBus({ publisher, subscriber, logger }: WakeBusDeps) {
  const listeners = new Set<(wake: Wake) => void>()

  function deliver(wake: Wake): void {
    for (const listener of listeners) {
      try {
        listener(wake)
      } catch (error) {
        logger.error({ err: error, wake: wake.kind }, 'wake listener failed')
      }
    }
  }

  /** Pools with a wake-up within {@link joinedMs}; true when another one came, to be sent at its end. */
  const told = new Map<string, boolean>()

  function joined(wake: Wake & { agentType: string }): void {
    const key = `${wake.kind} ${wake.agentType}`
    if (told.has(key)) {
      told.set(key, true)
      return
    }
    send(wake)
    told.set(key, false)
    setTimeout(() => {
      const again = told.get(key)
      told.delete(key)
      if (again) joined(wake)
    }, joinedMs).unref()
  }

  function send(wake: Wake): void {
    publisher.publish(wakeChannel, JSON.stringify(wake)).catch(() => {
      // Without Redis only this process can be woken. The connection's own listener has logged that Redis is away.
      deliver(wake)
    })
  }

  subscriber.on('message', (_channel: string, message: string) => {
    const wake = parseWake(message)
    if (wake) deliver(wake)
  })

  return {
    async start(): Promise<void> {
      // Not awaited: it resolves once Redis is there, and every listener works without the bus.
      subscriber.subscribe(wakeChannel).catch((error: unknown) => {
        logger.warn({ err: error }, 'could not subscribe to wake-ups; polling goes on')
      })
    },
    publish(wake: Wake): void {
      if (wake.kind === 'claimed' || wake.kind === 'missed' || wake.kind === 'indexed') joined(wake)
      else send(wake)
    },
    subscribe(listener: (wake: Wake) => void): () => void {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  } satisfies WakeBus & { start(): Promise<void> }
}

function parseWake(message: string): Wake | undefined {
  try {
    const wake = JSON.parse(message) as Wake
    return kinds.includes(wake.kind) ? wake : undefined
  } catch {
    // Another program on the same Redis sent it.
    return undefined
  }
}

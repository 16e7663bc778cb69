import { readFileSync } from 'node:fs'
import { Redis, type RedisOptions } from 'ioredis'
import type { Logger } from '../logging.ts'
import { traced } from '../tracing/spans.ts'
import { probeKey } from './redis-keys.ts'

/** A script answers in well under 1 ms. After a quarter of a second Redis is of no use to an open of 5 s. */
const commandTimeoutMs = 250

/** The text of one script; further names are pieces that scripts share, put before it. */
function lua(...names: string[]): string {
  return names.map((name) => readFileSync(new URL(`./lua/${name}.lua`, import.meta.url), 'utf8')).join('')
}

const scripts = {
  reserveSlot: { lua: lua('count-arrival', 'slots-and-waiters', 'reserve-slot'), numberOfKeys: 8 },
  reserveSlots: { lua: lua('count-arrival', 'slots-and-waiters', 'reserve-slots'), numberOfKeys: 8 },
  keepWaiting: { lua: lua('count-arrival', 'keep-waiting'), numberOfKeys: 4 },
  settleSlots: { lua: lua('note-spent', 'settle-slots'), numberOfKeys: 3 },
  giveBackSlot: { lua: lua('give-back-slot'), numberOfKeys: 3 },
  noteFailure: { lua: lua('note-failure'), numberOfKeys: 1 },
  countOpen: { lua: lua('count-open'), numberOfKeys: 1 },
  takePlace: { lua: lua('take-place'), numberOfKeys: 1 },
  addSlots: { lua: lua('add-slots'), numberOfKeys: 3 },
  dropSlots: { lua: lua('note-spent', 'drop-slots'), numberOfKeys: 2 },
} as const

/** ioredis flattens lists. Spread into a call, the slots of a large pool would be too many arguments. */
type KeyOrArguments = string | number | (string | number)[]

/** The scripts as ioredis offers them once declared: keys first, then arguments. */
export interface SlotRedis extends Redis {
  reserveSlot(...keysAndArguments: (string | number)[]): Promise<[number, string?]>
  reserveSlots(...keysAndArguments: KeyOrArguments[]): Promise<[number, ...string[]]>
  keepWaiting(...keysAndArguments: KeyOrArguments[]): Promise<string[]>
  settleSlots(...keysAndArguments: KeyOrArguments[]): Promise<number>
  giveBackSlot(...keysAndArguments: (string | number)[]): Promise<number>
  noteFailure(...keysAndArguments: (string | number)[]): Promise<number>
  countOpen(...keysAndArguments: (string | number)[]): Promise<[number, number, number]>
  takePlace(...keysAndArguments: (string | number)[]): Promise<number>
  addSlots(...keysAndArguments: KeyOrArguments[]): Promise<number>
  dropSlots(...keysAndArguments: KeyOrArguments[]): Promise<number>
}

const options: RedisOptions = {
  scripts,
  commandTimeout: commandTimeoutMs,
  // A request does not wait in a queue for a connection that may never come; it goes on without Redis.
  enableOfflineQueue: false,
  // ioredis resends what a cut connection left unanswered. The scripts are idempotent, and one resend is enough.
  maxRetriesPerRequest: 1,
  connectTimeout: 1_000,
  // A half-open connection is replaced. TCP alone would notice a pulled cable after a quarter of an hour.
  socketTimeout: 1_000,
  retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 5), 1_000),
  // After a failover the old primary always answers READONLY: reconnect (1), but do not resend (2).
  reconnectOnError: (error) => (error.message.includes('READONLY') ? 1 : false),
}

/** Runs a script for a request, whose trace shows it. */
export function runScript<T>(name: keyof typeof scripts, run: () => Promise<T>): Promise<T> {
  const attributes = { 'db.system.name': 'redis', 'db.operation.name': name }
  return traced(`lua ${name}`, run, { role: 'client', attributes })
}

/** Connects in the background; commands fail at once while there is no connection. */
export function createRedis(url: string, logger: Logger): SlotRedis {
  return connect(url, logger, options)
}

/** A connection that only listens. It has no requests that could fail, so it queues its one subscription. */
export function createSubscriber(url: string, logger: Logger): Redis {
  const { scripts: _scripts, commandTimeout: _timeout, ...rest } = options
  return connect(url, logger, { ...rest, enableOfflineQueue: true, maxRetriesPerRequest: null })
}

/** Whether Redis takes writes now; never throws. The key has no meaning and expires. */
export async function canWrite(redis: Redis): Promise<boolean> {
  try {
    await redis.set(probeKey, '1', 'EX', 10)
    return true
  } catch {
    // The failure is the answer. Its cause is logged where commands fail.
    return false
  }
}

/** Any policy but `noeviction` may drop keys of the index when memory runs out; their slots would not be handed out. */
async function warnOfEviction(redis: Redis, logger: Logger): Promise<void> {
  try {
    const [, limit] = (await redis.config('GET', 'maxmemory')) as string[]
    const [, policy] = (await redis.config('GET', 'maxmemory-policy')) as string[]
    if (limit !== '0' && policy !== 'noeviction')
      logger.warn({ policy, limit }, 'redis may evict the index of slots; set maxmemory-policy noeviction')
  } catch (error) {
    logger.debug({ err: error }, 'redis does not tell its eviction policy')
  }
}

/**
 * Sends the commands of one turn of the event loop in one write. With many opens at once their reservations share a system call
 * here and one in Redis. A lone command waits for nothing: its turn is over when it was given. ioredis's own autopipelining
 * answers a command of a script later, and cost a lone open 0.6 ms.
 */
class RedisByTurns extends Redis {
  #isCorked = false

  override sendCommand(...given: Parameters<Redis['sendCommand']>): unknown {
    const { stream } = this
    if (!this.#isCorked && stream?.writable) {
      this.#isCorked = true
      stream.cork()
      setImmediate(() => {
        this.#isCorked = false
        stream.uncork()
      })
    }
    return super.sendCommand(...given)
  }
}

function connect(url: string, logger: Logger, redisOptions: RedisOptions): SlotRedis {
  const redis = new RedisByTurns(url, { ...redisOptions, replyMapping: 'legacy' }) as Redis as SlotRedis
  // Without a listener ioredis prints each failed reconnect; one line per change of state is enough.
  let down = false
  redis.on('error', (error: Error) => {
    if (!down) logger.warn({ err: error }, 'redis connection lost')
    down = true
  })
  redis.on('ready', () => {
    if (down) logger.info('redis connection is back')
    down = false
    if (redisOptions.scripts) void warnOfEviction(redis, logger)
  })
  return redis
}

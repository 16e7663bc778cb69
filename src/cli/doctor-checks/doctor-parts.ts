import { Redis } from 'ioredis'
import { Pool } from 'pg'
import { loadKubeAccess } from '../../cluster/kube-access.ts'
import { createKubeClients } from '../../cluster/kube-clients.ts'
import type { Config } from '../../config.ts'
import type { PartName, Parts } from './doctor-check.ts'

/** Of one connection or one answer. A part that is well answers in milliseconds. */
const answerMs = 4_000

type Opened<P extends PartName> =
  | { readonly state: 'open'; readonly part: Parts[P] }
  | { readonly state: 'not configured'; readonly why: string }
  | { readonly state: 'not reached'; readonly error: unknown }

/** Opens each part when it is first asked for, and once. */
export interface DoctorParts {
  open<P extends PartName>(name: P): Promise<Opened<P>>
  close(): Promise<void>
}

export function createDoctorParts(config: Config<'doctor'>): DoctorParts {
  const closings: (() => Promise<void> | void)[] = []
  const opened = new Map<PartName, Promise<Opened<PartName>>>()
  const openings = openingsOf(config, (close) => void closings.push(close))

  async function openOnce(name: PartName): Promise<Opened<PartName>> {
    try {
      const part = await openings[name]()
      return typeof part === 'string' ? { state: 'not configured', why: part } : { state: 'open', part }
    } catch (error) {
      return { state: 'not reached', error }
    }
  }

  return {
    open<P extends PartName>(name: P) {
      const opening = opened.get(name) ?? openOnce(name)
      opened.set(name, opening)
      return opening as Promise<Opened<P>>
    },
    async close() {
      await Promise.allSettled(closings.map(async (close) => close()))
    },
  }
}

/** Each resolves with the part, or with the sentence that says what is not configured. */
type Openings = { readonly [P in PartName]: () => Promise<Parts[P] | string> }

function openingsOf(
  config: Config<'doctor'>,
  onClose: (close: () => Promise<void> | void) => void,
): Openings {
  return {
    machine: () => Promise.resolve(undefined),
    async kubernetes() {
      if (config.KUBECONFIG === undefined && config.KUBERNETES_SERVICE_HOST === undefined)
        return 'KUBECONFIG is not set.'
      const clients = createKubeClients({ access: await loadKubeAccess(config), requestTimeoutMs: answerMs })
      onClose(() => clients.close())
      await clients.transport.getJson('/version')
      return clients
    },
    async postgresql() {
      if (config.DATABASE_URL === undefined) return 'DATABASE_URL is not set.'
      const pool = new Pool({
        connectionString: config.DATABASE_URL,
        max: 2,
        connectionTimeoutMillis: answerMs,
        query_timeout: answerMs,
        application_name: 'greenroom-doctor',
      })
      // The statement under way rejects; without a listener the event would end the process.
      pool.on('error', () => undefined)
      onClose(() => pool.end())
      await pool.query('SELECT 1')
      return pool
    },
    async redis() {
      if (config.REDIS_URL === undefined) return 'REDIS_URL is not set.'
      const redis = new Redis(config.REDIS_URL, {
        lazyConnect: true,
        connectTimeout: answerMs,
        commandTimeout: answerMs,
        retryStrategy: () => null,
        maxRetriesPerRequest: 0,
        replyMapping: 'legacy',
      })
      // Its last error says why; "Connection is closed." does not.
      let reason: Error | undefined
      redis.on('error', (error: Error) => {
        reason = error
      })
      onClose(() => redis.disconnect())
      await redis.connect().catch((error: unknown) => Promise.reject(reason ?? (error as Error)))
      await redis.ping()
      return redis
    },
    livekit() {
      const { LIVEKIT_URL: url, LIVEKIT_API_KEY: apiKey, LIVEKIT_API_SECRET: apiSecret } = config
      const given = { LIVEKIT_URL: url, LIVEKIT_API_KEY: apiKey, LIVEKIT_API_SECRET: apiSecret }
      const missing = Object.entries(given).flatMap(([name, value]) => (value === undefined ? [name] : []))
      if (url === undefined || apiKey === undefined || apiSecret === undefined)
        return Promise.resolve(`${missing.join(' and ')} ${missing.length > 1 ? 'are' : 'is'} not set.`)
      return Promise.resolve({ url, apiKey, apiSecret })
    },
  }
}

import { Redis } from 'ioredis'

/** A client that goes on whatever happens to its server. */
export function patientRedis(url: string): Redis {
  const redis = new Redis(url, { retryStrategy: () => 20, maxRetriesPerRequest: null })
  // ioredis reports each fault, and these tests make faults.
  redis.on('error', () => undefined)
  return redis
}

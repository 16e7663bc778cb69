import type { Redis } from 'ioredis'
import { type DoctorCheck, failed, isBelow, ok, versionOf, warning } from './doctor-check.ts'
import { redisInfo } from './redis-info.ts'

/** The scripts need 5.0; users with rights of their own (docs/operate/redis.md) need 6.0. Tested with 7.0. */
const oldestRedis = [6, 0] as const
const testedRedis = [7, 0] as const

export const redisVersion: DoctorCheck<'redis'> = {
  name: 'redis-version',
  title: 'Redis is reached, new enough, a primary and not sharded',
  when: 'always',
  part: 'redis',
  reaches: true,
  why: 'Greenroom connects to one primary and follows no MOVED (docs/operate/redis.md).',
  fix: 'redis-cli -u "$REDIS_URL" info server',
  async run(redis) {
    const facts = await redisInfo(redis)
    const version = facts.redis_version ?? '0'
    if (isBelow(versionOf(version), oldestRedis)) return failed(`Redis ${version} is older than 6.0.`)
    if (facts.role === 'slave')
      return failed('This is a replica: it takes no writes.', 'redis-cli -u "$REDIS_URL" info replication')
    const shards = facts.cluster_enabled === '1' ? await shardsOf(redis) : 1
    if (shards > 1) return failed(`This Redis Cluster has ${shards} shards; Greenroom uses one.`)
    if (isBelow(versionOf(version), testedRedis))
      return warning(`Redis ${version}; Greenroom is tested with 7.0.`)
    return ok(`Redis ${version}, a primary.`)
  },
}

async function shardsOf(redis: Redis): Promise<number> {
  return Number(/cluster_size:(\d+)/.exec(String(await redis.cluster('INFO')))?.[1] ?? '1')
}

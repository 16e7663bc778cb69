import { type DoctorCheck, failed, ok, warning } from './doctor-check.ts'
import { redisInfo } from './redis-info.ts'

/** Redis refuses writes at `maxmemory`; above this part of it one busy minute may be enough. */
const fullShare = 0.95
const nearlyFullShare = 0.8

export const redisMemory: DoctorCheck<'redis'> = {
  name: 'redis-memory',
  title: 'Redis has memory left',
  when: 'always',
  part: 'redis',
  why: 'A full Redis that evicts nothing refuses writes: opens go on by each replica alone, without the common queue.',
  fix: 'redis-cli -u "$REDIS_URL" config set maxmemory 256mb',
  async run(redis) {
    const { used_memory: used = '0', maxmemory = '0' } = await redisInfo(redis)
    if (maxmemory === '0') return ok(`${megabytes(used)} are used; there is no maxmemory.`)
    const detail = `${megabytes(used)} of ${megabytes(maxmemory)} are used.`
    const share = Number(used) / Number(maxmemory)
    if (share >= fullShare) return failed(detail)
    return share >= nearlyFullShare ? warning(detail) : ok(detail)
  },
}

function megabytes(bytes: string): string {
  return `${(Number(bytes) / 1_048_576).toFixed(1)} MiB`
}

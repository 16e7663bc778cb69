import { type DoctorCheck, failed, ok, warning } from './doctor-check.ts'
import { redisInfo } from './redis-info.ts'

export const redisEviction: DoctorCheck<'redis'> = {
  name: 'redis-eviction',
  title: 'Redis evicts nothing',
  when: 'always',
  part: 'redis',
  why: 'A key of the index that is evicted takes its pods out of the pool until the controller has built it again.',
  fix: 'redis-cli -u "$REDIS_URL" config set maxmemory-policy noeviction',
  async run(redis) {
    const { maxmemory = '0', maxmemory_policy: policy = '' } = await redisInfo(redis)
    if (policy === 'noeviction') return ok('maxmemory-policy is noeviction.')
    if (maxmemory === '0')
      return warning(`maxmemory-policy is ${policy}; without maxmemory it does nothing yet.`)
    return failed(`maxmemory-policy is ${policy} with maxmemory ${maxmemory}.`)
  },
}

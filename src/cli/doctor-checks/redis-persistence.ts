import { type DoctorCheck, failed, ok } from './doctor-check.ts'
import { redisInfo } from './redis-info.ts'

export const redisPersistence: DoctorCheck<'redis'> = {
  name: 'redis-persistence',
  title: 'Redis does not stop writing because its disk fails',
  when: 'always',
  part: 'redis',
  why: 'Greenroom needs nothing on disk: the controller builds the index again within 5 s. A Redis whose snapshots fail refuses writes.',
  fix: 'redis-cli -u "$REDIS_URL" config set save ""',
  async run(redis) {
    const facts = await redisInfo(redis)
    const broken = [
      ...(facts.rdb_last_bgsave_status === 'err' ? ['the last snapshot failed'] : []),
      ...(facts.aof_enabled === '1' && facts.aof_last_write_status === 'err'
        ? ['the log cannot be written']
        : []),
    ]
    if (broken.length > 0) return failed(`Redis keeps data on disk, and ${broken.join(' and ')}.`)
    return ok(
      facts.aof_enabled === '1'
        ? 'An append-only file is kept, and is not needed.'
        : 'No append-only file; none is needed.',
    )
  },
}

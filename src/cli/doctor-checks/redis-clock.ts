import { clockMatters, judgeClock, readClock, setClock } from './clock-skew.ts'
import type { DoctorCheck } from './doctor-check.ts'

export const redisClock: DoctorCheck<'redis'> = {
  name: 'redis-clock',
  title: "Redis' clock agrees with this machine's",
  when: 'always',
  part: 'redis',
  why: `${clockMatters} Reservations lapse by Redis' clock.`,
  fix: setClock,
  async run(redis, context) {
    const read = async () => {
      const [seconds, micros] = await redis.time()
      return Number(seconds) * 1_000 + Number(micros) / 1_000
    }
    return judgeClock("Redis' clock", await readClock(read, context))
  },
}

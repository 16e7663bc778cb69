import { clockMatters, judgeClock, readClock, setClock } from './clock-skew.ts'
import type { DoctorCheck } from './doctor-check.ts'

export const postgresqlClock: DoctorCheck<'postgresql'> = {
  name: 'postgresql-clock',
  title: "PostgreSQL's clock agrees with this machine's",
  when: 'always',
  part: 'postgresql',
  why: `${clockMatters} Leases are judged by PostgreSQL's clock.`,
  fix: setClock,
  async run(pool, context) {
    const read = async () => {
      const statement = 'SELECT extract(epoch FROM clock_timestamp()) * 1000 AS ms'
      const { rows } = await pool.query<{ ms: string }>(statement)
      return Number(rows[0]?.ms)
    }
    return judgeClock("PostgreSQL's clock", await readClock(read, context))
  },
}

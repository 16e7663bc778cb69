import { type DoctorCheck, failed, isBelow, ok, versionOf, warning } from './doctor-check.ts'
import { readSettings } from './postgresql-settings.ts'

/** The migrations need 13; tested with 15 and later. */
const oldestPostgres = [13, 0] as const
const testedPostgres = [15, 0] as const

export const postgresqlVersion: DoctorCheck<'postgresql'> = {
  name: 'postgresql-version',
  title: 'PostgreSQL is reached, new enough and a primary',
  when: 'always',
  part: 'postgresql',
  reaches: true,
  why: 'PostgreSQL decides which session holds which pod. A standby takes no writes.',
  fix: 'psql "$DATABASE_URL" -c "SELECT version(), pg_is_in_recovery()"',
  async run(pool) {
    const { server_version: version = '0' } = await readSettings(pool, ['server_version'])
    if (isBelow(versionOf(version), oldestPostgres)) return failed(`PostgreSQL ${version} is older than 13.`)
    const { rows } = await pool.query<{ standby: boolean }>('SELECT pg_is_in_recovery() AS standby')
    if (rows[0]?.standby) return failed('This is a standby: DATABASE_URL must name what follows the primary.')
    if (isBelow(versionOf(version), testedPostgres))
      return warning(`PostgreSQL ${version}; Greenroom is tested with 15.`)
    return ok(`PostgreSQL ${version}, a primary.`)
  },
}

import { missingMigrations } from '../../stores/postgres-migrate.ts'
import { absent, type DoctorCheck, failed, ok } from './doctor-check.ts'

export const migrationsApplied: DoctorCheck<'postgresql'> = {
  name: 'migrations-applied',
  title: 'The database has the schema of this version',
  when: 'after',
  part: 'postgresql',
  why: 'The session server refuses a database whose schema is older (GRN_SCHEMA_OUTDATED).',
  fix: 'npm run migrate',
  async run(pool) {
    const { applied, missing } = await missingMigrations(pool)
    if (applied === 0) return absent('The database has no schema of Greenroom.')
    if (missing.length > 0) return failed(`The database lacks ${missing.join(', ')}.`)
    return ok(`${applied} migrations are applied.`)
  },
}

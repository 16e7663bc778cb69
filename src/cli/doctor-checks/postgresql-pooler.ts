import { GreenroomError } from '../../errors.ts'
import { createLogger } from '../../logging.ts'
import { assertSettings, createPostgres } from '../../stores/postgres-client.ts'
import { type DoctorCheck, failed, ok } from './doctor-check.ts'

export const postgresqlPooler: DoctorCheck<'postgresql'> = {
  name: 'postgresql-pooler',
  title: 'No pooler stands before PostgreSQL',
  when: 'always',
  part: 'postgresql',
  why: 'A pooler drops the time-outs and planner settings that Greenroom sends with each connection.',
  fix: 'psql "$DATABASE_URL" -c "SELECT inet_server_addr(), inet_server_port()"',
  async run(_client, { config }) {
    const logger = createLogger({ level: 'silent', role: 'doctor', instance: config.HOSTNAME })
    const postgres = createPostgres(config.DATABASE_URL ?? '', logger, 1)
    try {
      await assertSettings(postgres)
      return ok('The settings of a connection reach PostgreSQL.')
    } catch (error) {
      if (!(error instanceof GreenroomError)) throw error
      return failed(`${error.code}: ${error.message}`)
    } finally {
      await postgres.close()
    }
  },
}

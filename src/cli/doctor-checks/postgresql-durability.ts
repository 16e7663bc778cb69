import { type DoctorCheck, failed, ok, warning } from './doctor-check.ts'
import { readSettings } from './postgresql-settings.ts'

const alter = (setting: string) =>
  `psql "$DATABASE_URL" -c "ALTER SYSTEM SET ${setting} = on" -c "SELECT pg_reload_conf()"`

export const postgresqlDurability: DoctorCheck<'postgresql'> = {
  name: 'postgresql-durability',
  title: 'PostgreSQL keeps what it has committed',
  when: 'always',
  part: 'postgresql',
  why: 'A claim that a crash takes back is a pod that two sessions may hold (ADR 13).',
  fix: alter('synchronous_commit'),
  async run(pool) {
    const settings = await readSettings(pool, ['synchronous_commit', 'fsync', 'full_page_writes'])
    const { synchronous_commit: commit, fsync, full_page_writes: pages } = settings
    if (fsync === 'off')
      return failed('fsync is off: a crash of the machine can corrupt the database.', alter('fsync'))
    if (commit === 'off')
      return failed(
        'synchronous_commit is off: a crash takes the last commits back.',
        alter('synchronous_commit'),
      )
    if (pages === 'off')
      return failed('full_page_writes is off: a crash can leave torn pages.', alter('full_page_writes'))
    if (commit === 'local')
      return warning('synchronous_commit is local: a standby may lack the last commits.')
    return ok(`fsync is on, synchronous_commit is ${commit}.`)
  },
}

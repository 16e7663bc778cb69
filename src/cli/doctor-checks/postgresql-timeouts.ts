import { type DoctorCheck, failed, ok, warning } from './doctor-check.ts'
import { millisecondsOf, readSettings } from './postgresql-settings.ts'

const reset = (setting: string) => `psql "$DATABASE_URL" -c "ALTER ROLE CURRENT_USER RESET ${setting}"`
/** Reports run for up to 10 s; Greenroom sets the time-outs of its statements itself, with each connection. */
const longestMs = 10_000

export const postgresqlTimeouts: DoctorCheck<'postgresql'> = {
  name: 'postgresql-timeouts',
  title: 'PostgreSQL ends neither idle connections nor transactions early',
  when: 'always',
  part: 'postgresql',
  why: 'Greenroom keeps connections open, so that an open does not wait for a new one.',
  fix: reset('idle_session_timeout'),
  async run(pool) {
    const names = ['idle_session_timeout', 'transaction_timeout', 'default_transaction_read_only']
    const found = await readSettings(pool, names)
    if (found.default_transaction_read_only === 'on')
      return failed('default_transaction_read_only is on.', reset('default_transaction_read_only'))
    const transactionMs = millisecondsOf(found.transaction_timeout ?? '0')
    if (transactionMs > 0 && transactionMs < longestMs)
      return failed(
        `transaction_timeout is ${found.transaction_timeout}; a report may take 10 s.`,
        reset('transaction_timeout'),
      )
    if (millisecondsOf(found.idle_session_timeout ?? '0') > 0)
      return warning(`idle_session_timeout is ${found.idle_session_timeout}: idle connections are cut.`)
    return ok('No time-out of the server is shorter than what Greenroom does.')
  },
}

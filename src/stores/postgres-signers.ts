import type { SignerLedger } from '../domain/session-ports.ts'
import { databaseError, type Postgres, runStatement } from './postgres-client.ts'

/** One write in five seconds, though it is called each second. */
const noteSql = `
  INSERT INTO signing_processes AS s (instance, key_ids) VALUES ($1, $2)
  ON CONFLICT (instance) DO UPDATE SET key_ids = excluded.key_ids, noted_at = now()
  WHERE s.noted_at < now() - interval '5 s' OR s.key_ids <> excluded.key_ids`

const leaveSql = 'DELETE FROM signing_processes WHERE instance = $1'

const sinceSql = `SELECT key_ids FROM signing_processes WHERE noted_at >= now() - $1 * interval '1 ms'`

/** Nobody asks about them any more. Instances have new names after each start, so the table would only grow. */
const purgeSql = `DELETE FROM signing_processes WHERE noted_at < now() - interval '1 day' - $1 * interval '1 ms'`

/** Which keys each process can sign with: `signing_processes`, on PostgreSQL's clock. */
export function createPostgresSigners({ relaxed }: Pick<Postgres, 'relaxed'>): SignerLedger {
  async function run<T extends object>(name: string, text: string, values: unknown[]): Promise<T[]> {
    try {
      return await runStatement<T>(relaxed, { name, text, values })
    } catch (error) {
      throw databaseError(error)
    }
  }
  return {
    async note(instance, keyIds) {
      await run('signer-note', noteSql, [instance, keyIds])
    },
    async leave(instance) {
      await run('signer-leave', leaveSql, [instance])
    },
    async since(ms) {
      await run('signer-purge', purgeSql, [ms])
      const rows = await run<{ key_ids: string[] }>('signers-since', sinceSql, [ms])
      return rows.map(({ key_ids: keyIds }) => keyIds)
    },
  }
}

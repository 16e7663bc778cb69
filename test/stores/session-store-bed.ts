import assert from 'node:assert/strict'
import type { Test } from 'tap'
import type { Session } from '../../src/domain/session.ts'
import { createPostgresClaimLedger } from '../../src/stores/postgres-claim-ledger.ts'
import { createPostgresSessionStore } from '../../src/stores/postgres-session-store.ts'
import { newRecord } from './open-records.ts'
import { type Database, postgresFor } from './store-servers.ts'

/** A session store on a database of its own. */
export async function freshStoreOn(database: Database, t: Test, options: { max?: number } = {}) {
  const postgres = await postgresFor(t, database, options)
  return {
    postgres,
    store: createPostgresSessionStore(postgres),
    ledger: createPostgresClaimLedger(postgres),
    claims: async () =>
      (
        await postgres.durable.query(
          'SELECT pod_uid, purpose, session_id, epoch, reason FROM pod_claims ORDER BY 1',
        )
      ).rows,
    sessionCount: async () => (await postgres.durable.query('SELECT FROM sessions')).rowCount,
  }
}

/** Opens and hands back the row; a test that cannot do so has nothing to test. */
export async function opened(
  store: ReturnType<typeof createPostgresSessionStore>,
  overrides = {},
): Promise<Session> {
  const outcome = await store.commitOpen(newRecord(overrides))
  assert.equal(outcome.kind, 'committed')
  return (outcome as { session: Session }).session
}

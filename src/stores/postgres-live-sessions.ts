import { databaseError, type Postgres, runStatement } from './postgres-client.ts'

// Two counts, because each has a partial index of its own. Ended sessions, of which there are many more, are not read.
const countSql = `
  SELECT (
    (SELECT count(*) FROM sessions WHERE status IN ('PENDING', 'ACTIVE') AND ($1::text IS NULL OR project_id = $1))
    + (SELECT count(*) FROM sessions WHERE status = 'ENDING' AND ($1::text IS NULL OR project_id = $1))
  )::int AS live`

/** How many sessions are not ENDED; of one project, or of all. */
export function createPostgresLiveSessions({ durable }: Pick<Postgres, 'durable'>) {
  return async function countLive(projectId: string | undefined): Promise<number> {
    try {
      const statement = { name: 'sessions-live', text: countSql, values: [projectId] }
      const [row] = await runStatement<{ live: number }>(durable, statement)
      return row?.live ?? 0
    } catch (error) {
      throw databaseError(error)
    }
  }
}

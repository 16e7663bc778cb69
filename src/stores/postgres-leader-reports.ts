import type { LeaderFindings, LeaderReports } from '../domain/leader-findings.ts'
import { databaseError, type Postgres, runStatement } from './postgres-client.ts'

interface ReportRow {
  leader: string
  findings: LeaderFindings
  age_ms: number
}

const postSql = `
  INSERT INTO leader_report (leader, findings) VALUES ($1, $2)
  ON CONFLICT (singleton) DO UPDATE SET leader = $1, findings = $2, at = now()`

const readSql = `
  SELECT leader, findings, (extract(epoch FROM now() - at) * 1000)::float8 AS age_ms
  FROM leader_report WHERE singleton`

/** `leader_report`. Not flushed: a report that a crash takes is written again within seconds. */
export function createPostgresLeaderReports({ relaxed }: Pick<Postgres, 'relaxed'>): LeaderReports {
  async function rows<T extends object>(
    name: string,
    text: string,
    values: unknown[],
  ): Promise<readonly T[]> {
    try {
      return await runStatement<T>(relaxed, { name, text, values })
    } catch (error) {
      throw databaseError(error)
    }
  }
  return {
    async post(leader, findings) {
      await rows('leader-report-post', postSql, [leader, JSON.stringify(findings)])
    },
    async read() {
      const [row] = await rows<ReportRow>('leader-report-read', readSql, [])
      return row && { leader: row.leader, ageMs: row.age_ms, findings: row.findings }
    },
  }
}

/**
 * SQL of `project_usage`. A statement that opens or ends sessions locks the rows of their projects before it locks a
 * claim or a session; two statements then never wait for each other in a circle. Each fragment is a CTE `usage`, and a
 * condition for the first step of its statement, which PostgreSQL works out before that step reads a row.
 */

/** Of these projects, given as SQL that yields their ids. */
export function lockUsage(projectIds: string): string {
  return `usage AS MATERIALIZED (
    SELECT project_id, most - live AS spare FROM project_usage
    WHERE project_id = ANY (${projectIds}) ORDER BY project_id FOR NO KEY UPDATE
  )`
}

export const usageIsLocked = '(SELECT count(*) FROM usage) >= 0'

/** The projects of these sessions, whose ids are an array. */
export function projectsOf(ids: string): string {
  return `ARRAY(SELECT DISTINCT project_id FROM sessions WHERE id = ANY (${ids}))`
}

/** The projects whose count is wrong, as one snapshot shows it. The partial index sessions_live_pod holds just these sessions. */
export const miscountsSql = `
  SELECT u.project_id, u.live AS counted, coalesce(present.sessions, 0) AS sessions
  FROM project_usage u LEFT JOIN (
    SELECT project_id, count(*)::integer AS sessions FROM sessions
    WHERE status IN ('PENDING', 'ACTIVE', 'ENDING') GROUP BY project_id) AS present USING (project_id)
  WHERE u.live <> coalesce(present.sessions, 0)`

/** The constraint that refuses an open of a project that has as many sessions as it may. */
export const usageConstraint = 'project_usage_ceiling'

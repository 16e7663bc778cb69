import { Client } from 'pg'

/**
 * Writes settled lives evenly over `days` before now: 12 minutes each, two thirds of it a session's, five pools, 200
 * projects. UIDs as long as Kubernetes' own.
 */
export async function writeManyLives(
  url: string,
  { pods, days }: { readonly pods: number; readonly days: number },
): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(
      `INSERT INTO pod_lives (pod_uid, agent_type, created_at, ready_at, deleting_at, gone_at, session_id, project_id,
         claimed_at, released_at, settled)
       SELECT gen_random_uuid()::text, 'agent-type-' || n % 5, born, born + interval '3 s', born + interval '11 min',
         born + interval '12 min', gen_random_uuid(), 'project-' || n % 200, born + interval '4 min',
         born + interval '12 min', true
       FROM generate_series(1, $1::int) n, LATERAL (
         SELECT now() - interval '12 min' - $2 * interval '1 day' * (1 - n / $1::float8) AS born) AS birth`,
      [pods, days],
    )
    await client.query('VACUUM ANALYZE pod_lives')
  } finally {
    await client.end()
  }
}

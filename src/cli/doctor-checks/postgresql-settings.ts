import type { Pool } from 'pg'

/** The settings that are in force for this role in this database; one that this version does not know is left out. */
export async function readSettings(
  pool: Pool,
  names: readonly string[],
): Promise<Readonly<Record<string, string>>> {
  const { rows } = await pool.query<{ name: string; value: string | null }>(
    'SELECT name, current_setting(name, true) AS value FROM unnest($1::text[]) AS name',
    [names],
  )
  return Object.fromEntries(rows.flatMap(({ name, value }) => (value === null ? [] : [[name, value]])))
}

/** Times as PostgreSQL writes them: `0`, `900ms`, `10s`, `1min`, `1h`, `1d`. */
export function millisecondsOf(text: string): number {
  const [, count = '0', unit = 'ms'] = /^(\d+)([a-z]*)$/.exec(text) ?? []
  const unitMs: Readonly<Record<string, number>> = {
    ms: 1,
    s: 1_000,
    min: 60_000,
    h: 3_600_000,
    d: 86_400_000,
  }
  return Number(count) * (unitMs[unit] ?? 1)
}

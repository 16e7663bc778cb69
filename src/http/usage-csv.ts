import type { UsageReport } from '../domain/usage-report.ts'

type Row = UsageReport['rows'][number]

const columns: readonly { readonly name: string; readonly of: (row: Row) => string }[] = [
  { name: 'project', of: ({ projectId }) => quoted(projectId) },
  { name: 'pool', of: ({ agentType }) => quoted(agentType) },
  { name: 'unshared', of: ({ unshared }) => (unshared ? 'true' : 'false') },
  { name: 'sessions', of: ({ sessions }) => String(sessions) },
  { name: 'session_seconds', of: ({ sessionSeconds }) => sessionSeconds.toFixed(3) },
  { name: 'idle_seconds', of: ({ idleSeconds }) => idleSeconds.toFixed(3) },
  { name: 'pod_seconds', of: ({ podSeconds }) => podSeconds.toFixed(3) },
  { name: 'cost', of: ({ cost }) => cost?.toFixed(6) ?? '' },
]

/** The rows of a report as CSV (RFC 4180), without the total: a sum over a column gives it exactly. */
export function usageCsv({ rows }: UsageReport): string {
  const lines = [columns.map(({ name }) => name), ...rows.map((row) => columns.map(({ of }) => of(row)))]
  return lines.map((cells) => `${cells.join(',')}\r\n`).join('')
}

/** Callers name projects. A name that a spreadsheet would take for a formula gets an apostrophe, which makes it text. */
function quoted(text: string | undefined): string {
  if (text === undefined) return ''
  const harmless = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
  return `"${harmless.replaceAll('"', '""')}"`
}

import pg from 'pg'
import type { Bed } from '../support/bed.ts'
import { type Answer, callsOf, type HistoryEntry } from '../support/history.ts'
import { violationsOf } from '../support/linearizability.ts'

/** What a storm must not have done, however it was disturbed. */

export interface Evidence {
  readonly bed: Bed
  readonly entries: readonly HistoryEntry[]
  /** Pods that were killed or deleted: sessions on them may end for it. */
  readonly struckPods: ReadonlySet<string>
}

/** One text per violation, with its evidence; empty when everything held. */
export async function judge({ bed, entries, struckPods }: Evidence): Promise<readonly string[]> {
  const history = violationsOf(entries).map(
    ({ kind, subject, calls }) => `${kind} ${subject}\n    ${calls.join('\n    ')}`,
  )
  const rows = await sessionsOf(bed)
  return [
    ...history,
    ...nothingOpened(entries),
    ...internalErrors(entries),
    ...sharedPods(rows),
    ...wrongEnds(rows, entries, struckPods),
  ]
}

function nothingOpened(entries: readonly HistoryEntry[]): readonly string[] {
  const opened = callsOf(entries).some(
    ({ operation, outcome }) => operation.kind === 'open' && outcome.type === 'ok',
  )
  return opened ? [] : ['not one session was opened: this run proves nothing']
}

/** An error that nobody foresaw is an error, in a storm as well. */
function internalErrors(entries: readonly HistoryEntry[]): readonly string[] {
  return entries
    .filter((entry) => entry.type === 'unknown' && entry.code === 'GRN_INTERNAL')
    .map((entry) => `GRN_INTERNAL at ${entry.at.toFixed(1)}`)
}

interface Row {
  readonly id: string
  readonly pod_uid: string | null
  readonly status: string
  readonly end_reason: string | null
}

async function sessionsOf(bed: Bed): Promise<readonly Row[]> {
  const client = new pg.Client({ connectionString: bed.databaseUrl })
  await client.connect()
  try {
    return (await client.query<Row>('SELECT id, pod_uid, status, end_reason FROM sessions')).rows
  } finally {
    await client.end()
  }
}

function sharedPods(rows: readonly Row[]): readonly string[] {
  const holders = Map.groupBy(
    rows.filter(({ pod_uid }) => pod_uid !== null),
    ({ pod_uid }) => pod_uid,
  )
  return [...holders]
    .filter(([, sessions]) => sessions.length > 1)
    .map(
      ([pod, sessions]) =>
        `pod ${pod} stands in ${sessions.length} sessions: ${sessions.map(({ id }) => id).join(', ')}`,
    )
}

/** Sessions that callers were told of, and that ended for a reason that nothing in this run explains. */
function wrongEnds(
  rows: readonly Row[],
  entries: readonly HistoryEntry[],
  struckPods: ReadonlySet<string>,
): readonly string[] {
  const told = new Map<string, Answer>()
  for (const { outcome } of callsOf(entries))
    if (outcome.type === 'ok') told.set(outcome.answer.session, outcome.answer)
  const known = new Map(rows.map((row) => [row.id, row]))
  return [...told.values()].flatMap(({ session, pod }) => {
    const row = known.get(session)
    if (!row) return [`session ${session} was answered and is not in PostgreSQL`]
    if (row.pod_uid !== pod)
      return [`session ${session} was answered with pod ${pod} and stands with ${row.pod_uid}`]
    const reason = row.end_reason ?? row.status
    if (reason.startsWith('ended:') || reason === 'lapsed:max-duration') return []
    // A dead agent renews nothing: while nobody could tell the controller, its lease may lapse first.
    if ((reason.startsWith('pod:') || reason === 'lapsed:lease') && struckPods.has(pod)) return []
    return [`session ${session} on ${pod}: ${reason}, and nothing that was done explains it`]
  })
}

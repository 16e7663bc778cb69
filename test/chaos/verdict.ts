import pg from 'pg'
import type { Bed } from '../../bed/bed.ts'
import { canSessionMove, type SessionStatus } from '../../src/domain/session.ts'
import { type Answer, callsOf, type HistoryEntry } from '../support/history.ts'
import { violationsOf } from '../support/linearizability.ts'
import { everyKey, everyTable, filesWith } from '../support/secret-search.ts'

/** What a storm must not have done, however it was disturbed. */

export interface Evidence {
  readonly bed: Bed
  readonly entries: readonly HistoryEntry[]
  /** Pods that were killed or deleted: sessions on them may end for it. */
  readonly struckPods: ReadonlySet<string>
  /** Pods that the controller did not make. */
  readonly strangers: ReadonlySet<string>
  /** What stood in the metadata of every open, and in every secret. */
  readonly marks: { readonly kept: string; readonly secret: string }
}

/** One text per violation, with its evidence; empty when everything held. */
export async function judge(evidence: Evidence): Promise<readonly string[]> {
  const { bed, entries, struckPods, strangers, marks } = evidence
  const history = violationsOf(entries).map(
    ({ kind, subject, calls }) => `${kind} ${subject}\n    ${calls.join('\n    ')}`,
  )
  const { rows, events } = await sessionsOf(bed)
  return [
    ...history,
    ...nothingOpened(entries),
    ...internalErrors(entries),
    ...sharedPods(rows),
    ...onStrangers(rows, strangers),
    ...wrongEnds(rows, entries, struckPods),
    ...wrongLives(rows, events),
    ...(await secretsAtRest(bed, marks)),
  ]
}

function onStrangers(rows: readonly Row[], strangers: ReadonlySet<string>): readonly string[] {
  return rows
    .filter(({ pod_uid }) => pod_uid !== null && strangers.has(pod_uid))
    .map(({ id, pod_uid }) => `session ${id} was on pod ${pod_uid}, which the controller did not make`)
}

function nothingOpened(entries: readonly HistoryEntry[]): readonly string[] {
  const opened = callsOf(entries).some(
    ({ operation, outcome }) => operation.kind === 'open' && outcome.type === 'ok',
  )
  return opened ? [] : ['not one session was opened: this run proves nothing']
}

/** An unforeseen error is an error, in a storm as well. */
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
  readonly active_at: Date | null
  /** Any replica could have gone on with it, and it was given up before its time. */
  readonly abandoned_early: boolean
}

interface EventRow {
  readonly session_id: string
  readonly status: SessionStatus
  readonly epoch: number
}

async function sessionsOf(
  bed: Bed,
): Promise<{ rows: readonly Row[]; events: ReadonlyMap<string, readonly EventRow[]> }> {
  const client = new pg.Client({ connectionString: bed.databaseUrl })
  await client.connect()
  try {
    const { rows } = await client.query<Row>(`
      SELECT id, pod_uid, status, end_reason, active_at,
        adoptable AND end_reason = 'failed:abandoned' AND ending_at < lease_expires_at AS abandoned_early
      FROM sessions`)
    const events = await client.query<EventRow>(
      `SELECT session_id, status, epoch FROM session_events WHERE kind = 'status' ORDER BY id`,
    )
    return { rows, events: Map.groupBy(events.rows, ({ session_id }) => session_id) }
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
  for (const { outcome } of callsOf(entries)) {
    if (outcome.type !== 'ok') continue
    const { session, pod } = outcome.answer
    // That it is ACTIVE on a pod stays said, whatever is said later.
    if (pod !== '' || !told.has(session)) told.set(session, outcome.answer)
  }
  const known = new Map(rows.map((row) => [row.id, row]))
  return [...told.values()].flatMap(({ session, pod }) => {
    const row = known.get(session)
    if (!row) return [`session ${session} was answered and is not in PostgreSQL`]
    // A cold open that never got a pod may have failed; wrongLives looks at how.
    if (pod === '' && row.active_at === null && row.status === 'ENDED') return []
    if (pod !== '' && row.pod_uid !== pod)
      return [`session ${session} was answered with pod ${pod} and stands with ${row.pod_uid}`]
    const reason = row.end_reason ?? row.status
    if (reason.startsWith('ended:') || reason === 'lapsed:max-duration') return []
    // A dead agent renews nothing. While the controller cannot learn of its death, its lease may lapse first.
    const isStruck = struckPods.has(row.pod_uid ?? '')
    if ((reason.startsWith('pod:') || reason === 'lapsed:lease') && isStruck) return []
    return [`session ${session} on ${pod}: ${reason}, and nothing that was done explains it`]
  })
}

/** What became of each session, told or not: by the table, and its reason says whether it was ever ACTIVE. */
function wrongLives(
  rows: readonly Row[],
  events: ReadonlyMap<string, readonly EventRow[]>,
): readonly string[] {
  const violations: string[] = []
  for (const { id, end_reason: reason, active_at: activeAt, abandoned_early: isEarly } of rows) {
    if (activeAt !== null && reason?.startsWith('failed:'))
      violations.push(`session ${id} was ACTIVE: ${reason}`)
    if (activeAt === null && /^(pod|lapsed):/.test(reason ?? ''))
      violations.push(`session ${id} was never ACTIVE: ${reason}`)
    if (isEarly) violations.push(`session ${id} was abandoned, and any replica could have gone on with it`)
    const life = events.get(id) ?? []
    if (life[0]?.status !== 'PENDING') violations.push(`session ${id} begins as ${life[0]?.status}`)
    for (const [n, { status, epoch }] of life.entries()) {
      const before = life[n - 1]
      if (!before) continue
      const isNextAttempt = before.status === 'PENDING' && status === 'PENDING' && epoch > before.epoch
      if (isNextAttempt || (canSessionMove(before.status, status) && epoch >= before.epoch)) continue
      violations.push(`session ${id}: ${before.status} ${before.epoch} → ${status} ${epoch}`)
    }
  }
  return violations
}

/** Just-in-time secrets went through every fault; metadata, which is kept, shows that the search finds what is there. */
async function secretsAtRest(bed: Bed, { kept, secret }: Evidence['marks']): Promise<readonly string[]> {
  const table = await everyTable(bed)
  const places = { PostgreSQL: table, Redis: await everyKey(bed) }
  const found = Object.entries(places).flatMap(([place, text]) => (text.includes(secret) ? [place] : []))
  const files = await filesWith(bed, secret)
  const isBlind = !table.includes(kept) || (await filesWith(bed, kept)).length === 0
  return [
    ...[...found, ...files].map((place) => `a just-in-time secret is at rest: ${place}`),
    ...(isBlind ? ['metadata is not found at rest: the search for secrets proves nothing'] : []),
  ]
}

import t from 'tap'
import type { AuditFact } from '../../src/domain/audit.ts'
import { createPostgresAuditLog, newAuditEntry } from '../../src/stores/postgres-audit-log.ts'
import { createPostgresPoolRevisions } from '../../src/stores/postgres-pool-revisions.ts'
import { postgresFor, startDatabase } from './store-servers.ts'

const database = await startDatabase(t)
const by = { kind: 'oidc', id: 'https://issuer ann' } as const
const fact: AuditFact = { by, projectId: 'a', action: 'session.end', subject: 'a-session' }
const all = { projectId: undefined, limit: 100, before: undefined }

void t.test('entries are there once, in order, by project and by page', async (t) => {
  const log = createPostgresAuditLog(await postgresFor(t, database))
  const entries = [fact, { ...fact, projectId: 'b' }, { ...fact, projectId: undefined }, fact].map(
    newAuditEntry,
  )
  await log.append(entries)
  await log.append(entries.slice(1))
  const newestFirst = [...entries].reverse()
  t.same(await log.list(all), newestFirst)
  t.same(
    await log.list({ ...all, projectId: 'a' }),
    newestFirst.filter(({ projectId }) => projectId === 'a'),
  )
  const [first] = await log.list({ ...all, limit: 1 })
  t.same(await log.list({ ...all, before: first?.id }), newestFirst.slice(1))
  await log.append([])
})

/** An entry of long ago: its id begins with its time. */
function entryOf(at: number) {
  const entry = newAuditEntry(fact)
  const digits = Math.floor(at).toString(16).padStart(12, '0')
  return { ...entry, at, id: `${digits.slice(0, 8)}-${digits.slice(8)}${entry.id.slice(13)}` }
}

void t.test(
  'what is old and in no partition of a day is purged, the oldest first and so many at once',
  async (t) => {
    const log = createPostgresAuditLog(await postgresFor(t, database))
    const day = 86_400_000
    const old = Array.from({ length: 5 }, (_, n) => entryOf(Date.now() - 2 * day + n))
    const young = newAuditEntry(fact)
    await log.append([...old, young])
    t.equal(await log.purge({ afterMs: day, limit: 3 }), 3)
    t.same(
      (await log.list(all)).map(({ id }) => id),
      [young, old[4], old[3]].map((entry) => entry?.id),
    )
    t.equal(await log.purge({ afterMs: day, limit: 3 }), 2)
    t.equal(await log.purge({ afterMs: day, limit: 3 }), 0)
    t.same(
      (await log.list(all)).map(({ id }) => id),
      [young.id],
    )
  },
)

void t.test('an order to a roll-out and its entry: both or neither', async (t) => {
  const postgres = await postgresFor(t, database)
  const [log, revisions] = [createPostgresAuditLog(postgres), createPostgresPoolRevisions(postgres)]
  await revisions.order('echo-agent', { kind: 'pause' }, by)
  await revisions.order('echo-agent', { kind: 'resume' }, by)
  await revisions.order('echo-agent', { kind: 'undo', undoneHash: 'new', pinnedHash: 'old' }, by)
  const actions = (await log.list(all)).map(({ action, subject, projectId }) => [action, subject, projectId])
  t.same(actions, [
    ['rollout.undo', 'echo-agent', undefined],
    ['rollout.resume', 'echo-agent', undefined],
    ['rollout.pause', 'echo-agent', undefined],
  ])
  await postgres.durable.query('ALTER TABLE audit_log RENAME TO away')
  await t.rejects(revisions.order('echo-agent', { kind: 'pause' }, by))
  t.match(await revisions.read('echo-agent'), { order: { paused: false } })
})

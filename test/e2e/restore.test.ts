import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Client } from 'pg'
import t from 'tap'
import { startBed } from '../../bed/bed.ts'
import { poolsDocument } from '../../bed/pools-document.ts'
import { until } from '../../bed/processes/until.ts'
import type { AnswerBody } from '../../bed/replicas/bed-client.ts'
import { findPostgresClient } from '../../bed/set-up/binaries.ts'
import { forgottenReason } from '../../src/controllers/forgotten-sessions.ts'
import { assertInvariants } from '../support/invariants.ts'
import { agentType, createSessionCaller } from './session-caller.ts'

/** An old backup of PostgreSQL is restored under running agents, with the commands of docs/operate/backup.md. */

// A dozen agents start in it, and Greenroom's processes twice.
t.setTimeout(300_000)
const run = promisify(execFile)
const min = 3
const bed = await startBed({ pools: poolsDocument({ min, max: 16 }) })
const caller = createSessionCaller(bed)
const { client, kubectl } = caller
t.teardown(async () => {
  client.close()
  await bed.stop()
})
const dump = join(bed.folder, 'greenroom.dump')

async function query<T extends object>(
  text: string,
  values: unknown[] = [],
  url = bed.databaseUrl,
): Promise<T[]> {
  const database = new Client({ connectionString: url })
  await database.connect()
  try {
    return (await database.query<T>(text, values)).rows
  } finally {
    await database.end()
  }
}

/** Without a key, so that the caller alone keeps it; labelled, as every pod is a moment after its claim. */
async function openLabelled(key?: string): Promise<AnswerBody> {
  await caller.untilIdle(min)
  const session = await caller.open({}, key === undefined ? {} : { 'idempotency-key': key })
  await until(
    'the label',
    async () =>
      (await kubectl('get', 'pod', session.pod.name, '-o', 'jsonpath={.metadata.labels.session}')) ===
      session.id,
  )
  return session
}

async function isServing({ id, pod }: AnswerBody): Promise<boolean> {
  const answer = await fetch(`http://${pod.ip}:8080/sessions/${id}/echo`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ say: 'still there?' }),
  }).catch(() => undefined)
  return answer?.ok ?? false
}

/** With the commands of docs/operate/backup.md; where only npm's PostgreSQL is there, which has no pg_dump, as a copied database. */
const [pgDump, pgRestore] = [findPostgresClient('pg_dump'), findPostgresClient('pg_restore')]
const hasClient = pgDump !== undefined && pgRestore !== undefined
t.comment(hasClient ? `with ${pgDump} and ${pgRestore}` : 'without pg_dump: the database is copied')

const asAdmin = (text: string) => query(text, [], bed.postgres.adminUrl)

async function backUp(): Promise<void> {
  if (hasClient) {
    await run(pgDump, ['--format=custom', '--file', dump, bed.databaseUrl])
    return
  }
  // A database is copied only while nobody is connected to it.
  await asAdmin('ALTER DATABASE greenroom ALLOW_CONNECTIONS false')
  await asAdmin("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = 'greenroom'")
  await asAdmin('CREATE DATABASE backup TEMPLATE greenroom')
  await asAdmin('ALTER DATABASE greenroom ALLOW_CONNECTIONS true')
  await until('the API to be ready', () => client.isReady(), 60_000)
}

async function restoreBackup(): Promise<void> {
  await asAdmin('DROP DATABASE greenroom WITH (FORCE)')
  if (!hasClient) {
    await asAdmin('CREATE DATABASE greenroom TEMPLATE backup')
    return
  }
  await asAdmin('CREATE DATABASE greenroom')
  await run(pgRestore, ['--single-transaction', '--exit-on-error', '--dbname', bed.databaseUrl, dump])
}

/** What docs/operate/backup.md says, on the bed: everything of the session server dies, and comes back by itself. */
async function restore(): Promise<void> {
  for (const name of ['controller', 'api-1']) process.kill(bed.roles.get(name)?.pid() ?? 0, 'SIGKILL')
  await restoreBackup()
  await until('the API to be ready', () => client.isReady(), 60_000)
}

void t.test(
  'an old backup: kept sessions go on, lost ones end with a reason, no pod is given twice',
  async (t) => {
    const [kept, keptToo] = [await openLabelled(), await openLabelled('before-the-backup')]
    const endedLater = await openLabelled()
    await caller.untilIdle(min)
    await backUp()

    await client.end(endedLater.id, '?wait=true')
    // The first three get pods that were idle at the backup, the fourth one that was made after it.
    const lost = [await openLabelled(), await openLabelled(), await openLabelled(), await openLabelled()]
    await caller.untilIdle(min)
    for (const session of [kept, keptToo, ...lost]) t.ok(await isServing(session))

    await restore()
    const fresh = await Promise.all(
      [1, 2].map(() =>
        until(
          'an open',
          async () => {
            const { status, body } = await client.open({ agentType, onEmpty: 'wait', waitMs: 5_000 })
            return status === 201 && body
          },
          60_000,
        ),
      ),
    )
    const lostUids = lost.map(({ pod }) => pod.uid)
    for (const { pod } of fresh)
      t.notOk(lostUids.includes(pod.uid), 'a fresh session has a pod that served nobody')

    for (const session of [kept, keptToo]) {
      t.equal((await client.renew(session.id, session.epoch)).status, 200)
      t.match((await client.read(session.id)).body, { status: 'ACTIVE', pod: { uid: session.pod.uid } })
      t.ok(await isServing(session), 'the agent serves as before')
    }
    const again = await client.open({ agentType }, { 'idempotency-key': 'before-the-backup' })
    t.match(again, { status: 200, body: { id: keptToo.id, pod: { uid: keptToo.pod.uid } } })

    t.equal((await caller.untilEnded(endedLater.id)).endReason, 'pod:deleted', 'it ended after the backup')
    const claimsOfLost = () =>
      query<{ purpose: string; reason: string }>(
        'SELECT purpose, reason FROM pod_claims WHERE pod_uid = ANY ($1)',
        [lostUids],
      )
    await until(
      'all lost sessions are ended',
      async () => (await claimsOfLost()).length === lost.length,
      60_000,
    )
    t.match(
      await claimsOfLost(),
      lost.map(() => ({ purpose: 'retired', reason: forgottenReason })),
    )
    for (const { id } of lost) t.equal((await client.read(id)).status, 404)
    t.match(await kubectl('get', 'events', '-o', 'json'), /SessionForgotten/)
    const namesLeft = async () => await kubectl('get', 'pods', '-o', 'name')
    await until(
      'their pods are gone',
      async () => {
        const names = await namesLeft()
        return lost.every(({ pod }) => !names.includes(pod.name))
      },
      60_000,
    )
    await Promise.all([kept, keptToo, ...fresh].map(({ id }) => client.end(id, '?wait=true')))
    await assertInvariants(t, bed)
  },
)

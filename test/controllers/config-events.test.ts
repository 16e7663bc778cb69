import t from 'tap'
import { createConfigEvents } from '../../src/controllers/config-events.ts'
import type { DocumentStatus } from '../../src/domain/document-status.ts'
import { createPostgresEventLog } from '../../src/stores/postgres-event-log.ts'
import { postgresFor, startDatabase } from '../stores/store-servers.ts'

const database = await startDatabase(t)

void t.test('each version is told once, whoever leads', async (t) => {
  const log = createPostgresEventLog(await postgresFor(t, database))
  let status: DocumentStatus = { seen: undefined, applied: undefined, problems: undefined }
  const leaders = [1, 2].map(() => createConfigEvents({ log, pools: { status: () => status } }))
  const looks = async () => {
    for (const look of leaders) {
      await look()
      await look()
    }
  }
  await looks()
  status = { seen: '7', applied: '7', problems: undefined }
  await looks()
  status = {
    seen: '8',
    applied: '7',
    problems: ['pools/x: too large', ...Array<string>(99).fill('y'.repeat(999))],
  }
  await looks()
  status = { seen: '9', applied: '9', problems: undefined }
  await looks()
  const told = (await log.read(0)).events.map(({ event }) => event)
  t.match(told, [
    { type: 'pool.config', outcome: 'accepted', version: '7' },
    { type: 'pool.config', outcome: 'refused', version: '8', problems: ['pools/x: too large'] },
    { type: 'pool.config', outcome: 'accepted', version: '9' },
  ])
  t.equal(told.length, 3)
  t.ok(JSON.stringify(told[1]).length < 7_000)
  t.notOk('problems' in (told[0] ?? {}))
})

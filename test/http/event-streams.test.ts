import { Client } from 'pg'
import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { startDatabase } from '../stores/store-servers.ts'
import { isProblem } from './api-bed.ts'
import { startEventApi } from './event-bed.ts'

t.setTimeout(120_000)
const database = await startDatabase(t)
const allOf = { id: 'k', kind: 'api-key', projectId: undefined, scopes: new Set(['admin'] as const) } as const

type EventApi = Awaited<ReturnType<typeof startEventApi>>

const events = 1_000
/** 200 KB, less than may wait for a reader. */
const part = 20

/** 10 KB each; all of them are more than the kernel keeps for a reader that takes nothing. */
async function muchHappens({ postgres, happened }: EventApi, count = events): Promise<void> {
  // A connection without time-outs.
  const client = new Client({ connectionString: postgres.url })
  await client.connect()
  await client.query(
    `WITH taken AS (UPDATE event_numbers SET last = last + $1 RETURNING last - $1 AS before)
    INSERT INTO platform_events (number, type, detail)
    SELECT before + n, 'pool.config', jsonb_build_object('outcome', 'refused', 'version', n::text, 'problems', jsonb_build_array(repeat('x', 10000)))
    FROM taken, generate_series(1, $1) AS n`,
    [count],
  )
  await client.end()
  happened()
}

/** Above what one page of such large events is. */
const mostWaitingBytes = 3 * 1024 * 1024

void t.test(
  'a reader that takes nothing is dropped with the reason; what waits for it is bounded',
  async (t) => {
    const api = await startEventApi(t, database)
    const slow = api.follow('/v1/events')
    const quick = api.follow('/v1/events')
    await until('both listen', async () => (await api.listeners()) === 2)
    slow.stopReading()
    // In parts: who reads at once is not behind by more than one of them, however busy the machine is.
    for (let told = part; told <= events; told += part) {
      await muchHappens(api, part)
      await until('the quick one to have everything', () => quick.types().length === told)
    }
    await until('the slow one to be dropped', async () => (await api.listeners()) === 1)
    await until('its connection to be closed', async () =>
      (await api.metrics.eventStreamsEnded.get()).values.some(
        ({ labels, value }) => labels.reason === 'slow' && value === 1,
      ),
    )
    t.notOk(quick.isOver())
  },
)

void t.test(
  'a reader that is slow with the past is waited for, and dropped when it takes nothing',
  async (t) => {
    const api = await startEventApi(t, database, { streamLimits: { mostWaitingBytes } })
    await muchHappens(api)
    await until('the numbers', async () => (await api.log.bounds()).last === events)
    const whole = api.follow('/v1/events?after=0')
    await until('the whole past', () => whole.types().length === events)
    // Another replica, whose patience a busy machine would try with the first reader as well.
    const impatient = await startEventApi(t, database, {
      postgres: api.postgres,
      streamLimits: { patienceMs: 300, mostWaitingBytes },
    })
    const stuck = impatient.follow('/v1/events?after=0')
    stuck.stopReading()
    await until('an answer', () => stuck.status() === 200)
    stuck.stopReading()
    await until('it is dropped', async () =>
      (await impatient.metrics.eventStreamsEnded.get()).values.some(({ labels }) => labels.reason === 'slow'),
    )
    t.notOk(whole.isOver())
  },
)

void t.test('a silent stream gets comments; one that hears events needs none', async (t) => {
  const api = await startEventApi(t, database, { streamLimits: { beatMs: 60 } })
  const stream = api.follow('/v1/events')
  await until('three comments', () => stream.blocks.filter(({ isComment }) => isComment).length >= 3)
  await api.open()
  await stream.untilTypes('session.pending', 'session.active')
  t.equal(stream.blocks[0]?.retry, '1000')
})

void t.test('a stream ends soon after its credential is revoked', async (t) => {
  let isRevoked = false
  const api = await startEventApi(t, database, {
    streamLimits: { beatMs: 60 },
    identify: async () => (isRevoked ? undefined : allOf),
  })
  const stream = api.follow('/v1/events')
  await until('it listens', async () => (await api.listeners()) === 1)
  isRevoked = true
  await until('its end', () => stream.isOver())
  t.match(stream.blocks.at(-1), { event: 'closed', data: { reason: 'unauthorized' } })
  t.equal(await api.listeners(), 0)
})

void t.test('an outage of what checks credentials ends no stream', async (t) => {
  let isAway = false
  let checks = 0
  const api = await startEventApi(t, database, {
    streamLimits: { beatMs: 60 },
    async identify() {
      checks += 1
      if (isAway) throw new Error('the store of keys is away')
      return allOf
    },
  })
  const stream = api.follow('/v1/events')
  await until('it listens', async () => (await api.listeners()) === 1)
  isAway = true
  const before = checks
  await until('three checks', () => checks >= before + 3)
  t.notOk(stream.isOver())
})

void t.test('a replica takes so many streams and no more, and again when one has left', async (t) => {
  const api = await startEventApi(t, database, { streamLimits: { most: 2 } })
  const streams = [api.follow('/v1/events'), api.follow('/v1/events')]
  await until('both listen', async () => (await api.listeners()) === 2)
  isProblem(t, await api.call('GET', '/v1/events'), 'GRN_STREAMS_FULL', 503)
  streams[0]?.hangUp()
  await until('one has left', async () => (await api.listeners()) === 1)
  const third = api.follow('/v1/events')
  await until('the third listens', async () => (await api.listeners()) === 2)
  t.equal(third.status(), 200)
})

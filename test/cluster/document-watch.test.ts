import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { documentBed as bed, createKept, source } from './document-watch-bed.ts'
import { type FakeApiServer, gone, startFakeApiServer, statusBody } from './fake-api-server.ts'

/** Lists of what is kept fail until the returned function is called. */
function holdKept(fake: FakeApiServer): () => void {
  fake.listFault = (query) =>
    query.get('fieldSelector') === 'metadata.name=accepted'
      ? { status: 503, body: statusBody(503, 'ServiceUnavailable', 'not yet') }
      : undefined
  return () => {
    fake.listFault = undefined
  }
}

void t.test(
  'the accepted document is taken when the present one is not valid, as soon as it can be read',
  async (t) => {
    const { fake, watch, put, changes, rejected } = await bed(t, { keptText: 'good old' })
    const release = holdKept(fake)
    const bad = put('bad')
    watch.start()
    await until('refused', () => watch.status().problems !== undefined)
    t.equal(watch.synced(), false, 'what is in force is not known yet')
    release()
    await until('restored', () => watch.current() === 'good old')
    t.equal(watch.synced(), true)
    t.same(watch.status(), { seen: bad, applied: '42', problems: ['not good: bad'] })
    t.same(rejected, ['not good: bad'])
    put('good new')
    await until('in force', () => watch.current() === 'good new')
    t.same(changes, ['good old', 'good new'])
  },
)

void t.test('an accepted document that is not valid any more is not taken', async (t) => {
  const { watch, lines } = await bed(t, { keptText: 'bad old' })
  watch.start()
  await until('said', () => lines.some((line) => line.level === 50))
  await until('synced', () => watch.synced())
  t.equal(watch.current(), undefined)
  t.match(watch.status().problems, [/does not exist/])
})

void t.test('what is written wins over what is kept, whichever is seen first', async (t) => {
  for (const keptFirst of [true, false]) {
    const { fake, watch, put, changes } = await bed(t, { keptText: 'good old' })
    const release = keptFirst ? () => undefined : holdKept(fake)
    put('good new')
    watch.start()
    await until('in force', () => watch.current() === 'good new')
    release()
    await until('watched', () => fake.openWatches().length === 2)
    t.same(changes, ['good new'])
  }
})

void t.test('a check that throws is a problem, not a crash', async (t) => {
  const { watch, put } = await bed(t)
  watch.start()
  put('good')
  await until('in force', () => watch.current() === 'good')
  put('throw')
  await until('refused', () => watch.status().problems !== undefined)
  t.match(watch.status().problems, ['cannot be checked: Error: check broke'])
  t.equal(watch.current(), 'good')
})

void t.test('the same text in a new version is no change', async (t) => {
  const { watch, put, changes } = await bed(t)
  watch.start()
  put('good')
  await until('in force', () => watch.current() === 'good')
  const again = put('good')
  await until('seen', () => watch.status().applied === again)
  t.same(changes, ['good'])
})

void t.test('a refusal is told once, whatever the watch goes through', async (t) => {
  const { fake, watch, put, rejected, lines } = await bed(t)
  watch.start()
  const bad = put('bad')
  await until('refused', () => rejected.length === 1)
  for (let round = 1; round <= 3; round += 1) {
    await until('watches', () => fake.openWatches().length === 2)
    const lists = fake.lists.length
    for (const open of fake.openWatches()) open.event('ERROR', JSON.parse(gone.body))
    await until('other lists', () => fake.lists.length >= lists + 2)
  }
  t.equal(rejected.length, 1)
  t.equal(lines.filter((line) => line.resourceVersion === bad).length, 1)
})

void t.test(
  'writing down what was accepted is tried again and never in the way; the newest counts',
  async (t) => {
    const { watch, put, kept, accepted } = await bed(t, { write: true })
    kept.failures = 1
    watch.start()
    put('good 1')
    await until('in force', () => watch.current() === 'good 1')
    const second = put('good 2')
    await until('in force', () => watch.current() === 'good 2')
    await until('written', () => accepted.text() === 'good 2')
    t.equal(accepted.version(), second)
    t.equal(kept.writes, 1)
    t.equal(kept.makes, 1)
    const third = put('good 2')
    await until('of the version that is there', () => accepted.version() === third)
    t.equal(kept.writes, 2)
  },
)

void t.test(
  'what is kept comes back when it is deleted or written over, whatever people wrote meanwhile',
  async (t) => {
    const { watch, put, accepted } = await bed(t, { write: true })
    watch.start()
    const first = put('good 1')
    await until('kept', () => accepted.text() === 'good 1')
    accepted.remove()
    await until('kept again', () => accepted.text() === 'good 1')
    accepted.put('good forged', first)
    await until('written over', () => accepted.text() === 'good 1')
    put('bad')
    await until('refused', () => watch.status().problems !== undefined)
    accepted.remove()
    await until('kept though the present one is bad', () => accepted.text() === 'good 1')
    t.equal(accepted.version(), first)
    t.equal(watch.current(), 'good 1')
  },
)

void t.test('a writer that lags behind takes nothing back', async (t) => {
  const fake = await startFakeApiServer()
  t.teardown(() => fake.stop())
  const kept = createKept(fake)
  const put = (text: string) => fake.put('document', { data: { key: text } }).metadata.resourceVersion
  const slow = await bed(t, { write: true, fake, kept })
  put('good 1')
  slow.watch.start()
  await until('both watches', () => fake.openWatches().length === 2)
  for (const open of fake.openWatches()) {
    if (open.query.get('fieldSelector') === 'metadata.name=document') open.mute = true
  }
  const fast = await bed(t, { write: true, fake, kept })
  const second = put('good 2')
  fast.watch.start()
  await until('kept', () => kept.version() === second)
  // The slow one sees at the latest now that what is kept is not what it holds.
  const { writes } = kept.kept
  fake.put('accepted', {
    metadata: { annotations: { [source]: second, team: 'a' } },
    data: { key: 'good 2' },
  })
  await until('seen', () => fake.openWatches().length >= 4)
  t.equal(slow.watch.current(), 'good 1', 'what it sees is valid')
  t.equal(kept.text(), 'good 2')
  t.equal(kept.kept.writes, writes)
})

void t.test('replicas that missed different versions agree while the present one is not valid', async (t) => {
  const fake = await startFakeApiServer()
  t.teardown(() => fake.stop())
  const kept = createKept(fake)
  const put = (text: string) => fake.put('document', { data: { key: text } }).metadata.resourceVersion
  const reader = await bed(t, { fake, kept })
  kept.put('good 1', put('good 1'))
  reader.watch.start()
  put('good 2')
  await until('in force', () => reader.watch.current() === 'good 2')
  put('bad')
  // Nobody kept the second; the reader goes back to what every replica that starts now takes.
  await until('back', () => reader.watch.current() === 'good 1')
  t.same(reader.changes, ['good 2', 'good 1'])
  // A writer that did see it keeps it, and all go on together.
  kept.put('good 2', String(Number(fake.version()) - 1))
  await until('together', () => reader.watch.current() === 'good 2')
})

void t.test('a writer takes what another writer accepted later', async (t) => {
  const { fake, watch, put, accepted } = await bed(t, { write: true })
  watch.start()
  put('good 1')
  await until('kept', () => accepted.text() === 'good 1')
  put('bad')
  await until('refused', () => watch.status().problems !== undefined)
  accepted.put('good 2', fake.version())
  await until('taken', () => watch.current() === 'good 2')
})

void t.test('a version from another cluster counts as none', async (t) => {
  const { watch, put, accepted } = await bed(t, { write: true })
  accepted.put('good of a backup', '999999')
  watch.start()
  put('good 1')
  await until('kept', () => accepted.text() === 'good 1')
})

void t.test('stop does not wait for a write that cannot be made', async (t) => {
  const { watch, put, kept } = await bed(t, { write: true })
  kept.failures = Number.POSITIVE_INFINITY
  watch.start()
  put('good')
  await until('in force', () => watch.current() === 'good')
  const startedAt = performance.now()
  await watch.stop()
  t.ok(performance.now() - startedAt < 1_000)
})

import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { gone, statusBody } from './fake-api-server.ts'
import { listWatchBed } from './list-watch-bed.ts'

/** Whatever becomes of the connection, of an answer or of a listener: nothing known is lost, and nothing is missed. */

void t.test('a cut connection resumes; what was known stays', async (t) => {
  const { fake, names, staleReasons, watching } = await listWatchBed(t, {}, (f) => void f.put('a'))
  await watching()
  fake.watches[0]?.cut()
  await watching(2)
  t.equal(fake.lists.length, 1)
  t.equal(fake.watches[1]?.query.get('resourceVersion'), '101')
  t.same(names(), ['a'])
  t.equal(staleReasons.length, 1)
})

void t.test(
  '410 in mid-watch, then a list that fails: it goes on, and what vanished goes exactly once',
  async (t) => {
    const { fake, changes, names, listWatch, staleReasons, watching } = await listWatchBed(t, {}, (f) => {
      f.put('stays')
      f.put('vanishes')
    })
    await watching()
    let failing = 3
    fake.listFault = () =>
      failing-- > 0
        ? { status: 500, body: statusBody(500, 'InternalError', 'etcdserver: request timed out') }
        : undefined
    fake.remove('vanishes', true)
    fake.put('new', {}, true)
    fake.watches[0]?.event('ERROR', JSON.parse(gone.body))
    await watching(2)
    t.same(names(), ['new', 'stays'])
    t.same(changes, ['+stays', '+vanishes', '-vanishes', '+new'], 'unchanged objects are not announced again')
    t.match(staleReasons, ['etcdserver: request timed out'])
    t.equal(listWatch.staleSince(), undefined)
    t.equal(listWatch.synced(), true)
  },
)

void t.test('a refused watch version (410 as status) lists again', async (t) => {
  let refused = 0
  const { fake, watching } = await listWatchBed(t, {}, (f) => {
    f.watchFault = () => (refused++ === 0 ? gone : undefined)
  })
  await watching()
  t.equal(fake.lists.length, 2)
})

void t.test('a server that is back and does not know the version is listed at once', async (t) => {
  const timing = {
    relistMs: 600_000,
    watchSeconds: 30,
    silenceGraceMs: 5_000,
    backoffMinMs: 8,
    backoffMaxMs: 60_000,
  }
  const { fake, names, watching } = await listWatchBed(t, { timing })
  const cuts = 9
  for (let count = 1; count <= cuts; count += 1) {
    await watching(count)
    fake.watches[count - 1]?.cut()
  }
  await watching(cuts + 1)
  fake.put('missed', {}, true)
  fake.watches[cuts]?.event('ERROR', JSON.parse(gone.body))
  // The pause has grown to 2 s and more.
  await until('the list', () => names().includes('missed'), 1_500)
  t.equal(fake.lists.length, 2)
})

for (const [what, line] of [
  ['not JSON', '{"type":"ADDED","object":{"meta'],
  ['no object', '{"type":"ADDED"}'],
  ['an unknown type', '{"type":"RENAMED","object":{"metadata":{"resourceVersion":"120"}}}'],
] as const) {
  void t.test(`a line that is ${what} may hide an event: list again`, async (t) => {
    const { fake, names, watching } = await listWatchBed(t)
    await watching()
    fake.put('missed', {}, true)
    fake.watches[0]?.line(line)
    await watching(2)
    t.equal(fake.lists.length, 2)
    t.same(names(), ['missed'])
  })
}

void t.test('an event cut in half is not lost', async (t) => {
  const { fake, names, watching } = await listWatchBed(t)
  await watching()
  const line = (name: string) =>
    Buffer.from(`${JSON.stringify({ type: 'ADDED', object: fake.put(name, {}, true) })}\n`)
  const whole = line('whole')
  const cut = line('ä')
  // In the middle of the two bytes of the letter; once the first event is there, so is the half behind it.
  const middle = cut.lastIndexOf(0xc3) + 1
  fake.watches[0]?.raw(Buffer.concat([whole, cut.subarray(0, middle)]))
  await until('the first event', () => names().includes('whole'))
  fake.watches[0]?.raw(cut.subarray(middle))
  await until('the event', () => names().length === 2)
  t.same(names(), ['whole', 'ä'])
  t.equal(fake.lists.length, 1)
})

void t.test('a half-open connection is noticed by its silence', async (t) => {
  const { fake, names, staleReasons, watching } = await listWatchBed(
    t,
    { timing: { watchSeconds: 0, silenceGraceMs: 150 } },
    (f) => void f.put('a'),
  )
  await watching()
  const [watch] = fake.watches
  if (watch) watch.mute = true
  fake.put('b')
  const startedAt = performance.now()
  await until('a second watch', () => fake.watches.length >= 2)
  t.ok(performance.now() - startedAt < 1_000)
  fake.put('c')
  await until('events on the second watch', () => names().includes('c'))
  t.match(staleReasons[0], /silent for 150 ms/)
})

void t.test('an API server that does not even answer', async (t) => {
  const { fake, listWatch, names, staleReasons, watching } = await listWatchBed(t, {}, (f) => void f.put('a'))
  await watching()
  const before = Date.now()
  fake.watchFault = fake.listFault = () => ({ status: 503, body: 'upstream is down' })
  fake.watches[0]?.cut()
  await until('several tries', () => listWatch.counters().failures > 5)
  t.same(names(), ['a'], 'what is known stays')
  t.equal(listWatch.synced(), true)
  t.equal(staleReasons.length, 1, 'said once')
  t.ok((listWatch.staleSince() ?? 0) >= before - 1_000)
  fake.watchFault = fake.listFault = undefined
  fake.put('b', {}, true)
  await until('recovery', () => names().includes('b'))
  await watching(2)
  t.equal(listWatch.staleSince(), undefined)
})

void t.test('watches that end at once back off', async (t) => {
  const { fake, listWatch } = await listWatchBed(t, { timing: { backoffMinMs: 50, backoffMaxMs: 400 } })
  const ender = setInterval(() => fake.openWatches()[0]?.end(), 1)
  t.teardown(() => clearInterval(ender))
  await until('three failures', () => listWatch.counters().failures >= 3)
  t.ok(fake.watches.length <= 5, `${fake.watches.length} watches`)
})

void t.test('a handler that throws is logged and counted, and costs no event', async (t) => {
  const seen: string[] = []
  const { fake, listWatch, logLines, watching } = await listWatchBed(t, {
    onChange: (item) => {
      seen.push(item.name)
      if (item.name === 'bad') throw new Error('handler broke')
    },
    onListed: () => {
      throw new Error('listed broke')
    },
  })
  await watching()
  fake.put('bad')
  fake.put('good')
  await until('both', () => seen.length === 2)
  t.same(seen, ['bad', 'good'])
  t.equal(listWatch.counters().handlerErrors, 2)
  t.equal(logLines.filter((line) => line.level === 50).length, 2)
  t.equal(fake.watches.length, 1)
})

void t.test('stop during the pause after a failure', async (t) => {
  const { listWatch } = await listWatchBed(
    t,
    { timing: { backoffMinMs: 60_000, backoffMaxMs: 60_000 } },
    (f) => {
      f.listFault = () => ({ status: 500, body: '' })
    },
  )
  await until('a failure', () => listWatch.counters().failures === 1)
  const startedAt = performance.now()
  await listWatch.stop()
  t.ok(performance.now() - startedAt < 1_000)
})

import t, { type Test } from 'tap'
import { createKubeTransport } from '../../src/cluster/kube-transport.ts'
import { createListWatch, type ListWatchOptions } from '../../src/cluster/list-watch.ts'
import type { KubeObject } from '../../src/cluster/watch-stream.ts'
import { type FakeApiServer, gone, startFakeApiServer, statusBody } from './fake-api-server.ts'
import { createLogLines } from './log-lines.ts'
import { waitUntil } from './wait-until.ts'

type Item = { uid: string; name: string; version: string }

interface Bed {
  fake: FakeApiServer
  listWatch: ReturnType<typeof createListWatch<KubeObject, Item>>
  changes: string[]
  names: () => string[]
  staleReasons: string[]
  logLines: Record<string, unknown>[]
  watching: (count?: number) => Promise<void>
}

const timing = {
  relistMs: 600_000,
  watchSeconds: 30,
  silenceGraceMs: 5_000,
  backoffMinMs: 5,
  backoffMaxMs: 40,
}

async function bed(
  test: Test,
  options: Partial<ListWatchOptions<KubeObject, Item>> = {},
  prepare: (fake: FakeApiServer) => void = () => undefined,
): Promise<Bed> {
  const fake = await startFakeApiServer()
  prepare(fake)
  const transport = createKubeTransport(fake.access, { timeoutMs: 1_000 })
  const { logger, lines } = createLogLines()
  const changes: string[] = []
  const kept = new Map<string, string>()
  const staleReasons: string[] = []
  const listWatch = createListWatch<KubeObject, Item>({
    transport,
    path: '/api/v1/namespaces/agents/pods',
    keep: ({ metadata }) => ({
      uid: metadata?.uid ?? '',
      name: metadata?.name ?? '',
      version: metadata?.resourceVersion ?? '',
    }),
    onChange: (item, isGone) => {
      changes.push(`${isGone ? '-' : '+'}${item.name}`)
      if (isGone) kept.delete(item.uid)
      else kept.set(item.uid, item.name)
    },
    onStale: (reason) => staleReasons.push(reason),
    logger,
    ...options,
    timing: { ...timing, ...options.timing },
  })
  listWatch.start()
  test.teardown(async () => {
    await listWatch.stop()
    transport.close()
    await fake.stop()
  })
  return {
    fake,
    listWatch,
    changes,
    staleReasons,
    logLines: lines,
    names: () => [...kept.values()].sort(),
    watching: (count = 1) =>
      waitUntil(
        `watch ${count} is open`,
        () => fake.watches.length >= count && fake.openWatches().length === 1,
      ),
  }
}

void t.test('lists, then follows events; asks for bookmarks and an end', async (t) => {
  const { fake, listWatch, changes, watching } = await bed(
    t,
    { labelSelector: 'a=b', fieldSelector: 'metadata.name=x' },
    (f) => void f.put('a'),
  )
  t.equal(listWatch.synced(), false)
  await watching()
  t.equal(listWatch.synced(), true)
  t.match(Object.fromEntries(fake.lists[0] ?? []), { limit: '500', labelSelector: 'a=b' })
  t.match(Object.fromEntries(fake.watches[0]?.query ?? []), {
    allowWatchBookmarks: 'true',
    timeoutSeconds: '30',
    resourceVersion: '101',
    labelSelector: 'a=b',
    fieldSelector: 'metadata.name=x',
  })
  const b = fake.put('b')
  fake.put('a')
  fake.remove('a')
  await waitUntil('all events', () => changes.length === 4)
  t.same(changes, ['+a', '+b', '+a', '-a'])
  t.equal(listWatch.get(b.metadata.uid)?.name, 'b')
  t.equal(listWatch.staleSince(), undefined)
})

void t.test('a long list comes in pages of one snapshot', async (t) => {
  const { fake, names, watching } = await bed(t, {}, (f) => {
    f.pageSize = 2
    for (const name of ['a', 'b', 'c', 'd', 'e']) f.put(name)
  })
  await watching()
  t.equal(fake.lists.length, 3)
  t.same(names(), ['a', 'b', 'c', 'd', 'e'])
})

void t.test(
  'after an orderly end it resumes from the last version, bookmarks included, without a list',
  async (t) => {
    const { fake, changes, listWatch, watching } = await bed(t)
    await watching()
    fake.put('a')
    fake.watches[0]?.event('BOOKMARK', { metadata: { resourceVersion: '177' } })
    fake.watches[0]?.end()
    await watching(2)
    t.equal(fake.watches[1]?.query.get('resourceVersion'), '177')
    t.equal(fake.lists.length, 1)
    t.same(changes, ['+a'])
    t.equal(listWatch.counters().failures, 0)
  },
)

void t.test('a cut connection resumes; what was known stays', async (t) => {
  const { fake, names, staleReasons, watching } = await bed(t, {}, (f) => void f.put('a'))
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
    const { fake, changes, names, listWatch, staleReasons, watching } = await bed(t, {}, (f) => {
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
  const { fake, watching } = await bed(t, {}, (f) => {
    f.watchFault = () => (refused++ === 0 ? gone : undefined)
  })
  await watching()
  t.equal(fake.lists.length, 2)
})

void t.test('duplicate and late events change nothing', async (t) => {
  const { fake, changes, watching } = await bed(t)
  await watching()
  const first = fake.put('a')
  const second = fake.put('a')
  fake.remove('a')
  const [watch] = fake.watches
  watch?.event('MODIFIED', second)
  watch?.event('ADDED', first)
  watch?.event('DELETED', second)
  fake.put('end')
  await waitUntil('the last event', () => changes.includes('+end'))
  t.same(changes, ['+a', '+a', '-a', '+end'])
})

void t.test('versions are compared as numbers', async (t) => {
  const { fake, changes, watching } = await bed(t)
  await watching()
  const object = (resourceVersion: string) => ({
    metadata: { uid: 'u', name: resourceVersion, resourceVersion },
  })
  fake.watches[0]?.event('ADDED', object('999'))
  fake.watches[0]?.event('MODIFIED', object('1000'))
  await waitUntil('both', () => changes.length === 2)
  t.same(changes, ['+999', '+1000'])
})

for (const [what, line] of [
  ['not JSON', '{"type":"ADDED","object":{"meta'],
  ['no object', '{"type":"ADDED"}'],
  ['an unknown type', '{"type":"RENAMED","object":{"metadata":{"resourceVersion":"120"}}}'],
] as const) {
  void t.test(`a line that is ${what} may hide an event: list again`, async (t) => {
    const { fake, names, watching } = await bed(t)
    await watching()
    fake.put('missed', {}, true)
    fake.watches[0]?.line(line)
    await watching(2)
    t.equal(fake.lists.length, 2)
    t.same(names(), ['missed'])
  })
}

void t.test('an event cut in half is not lost', async (t) => {
  const { fake, names, watching } = await bed(t)
  await watching()
  const line = (name: string) =>
    Buffer.from(`${JSON.stringify({ type: 'ADDED', object: fake.put(name, {}, true) })}\n`)
  const whole = line('whole')
  const cut = line('ä')
  // In the middle of the two bytes of the letter; once the first event is there, so is the half behind it.
  const middle = cut.lastIndexOf(0xc3) + 1
  fake.watches[0]?.raw(Buffer.concat([whole, cut.subarray(0, middle)]))
  await waitUntil('the first event', () => names().includes('whole'))
  fake.watches[0]?.raw(cut.subarray(middle))
  await waitUntil('the event', () => names().length === 2)
  t.same(names(), ['whole', 'ä'])
  t.equal(fake.lists.length, 1)
})

void t.test('a half-open connection is noticed by its silence', async (t) => {
  const { fake, names, staleReasons, watching } = await bed(
    t,
    { timing: { watchSeconds: 0, silenceGraceMs: 150 } },
    (f) => void f.put('a'),
  )
  await watching()
  const [watch] = fake.watches
  if (watch) watch.mute = true
  fake.put('b')
  const startedAt = performance.now()
  await waitUntil('a second watch', () => fake.watches.length >= 2)
  t.ok(performance.now() - startedAt < 1_000)
  fake.put('c')
  await waitUntil('events on the second watch', () => names().includes('c'))
  t.match(staleReasons[0], /silent for 150 ms/)
})

void t.test('an API server that does not even answer', async (t) => {
  const { fake, listWatch, names, staleReasons, watching } = await bed(t, {}, (f) => void f.put('a'))
  await watching()
  const before = Date.now()
  fake.watchFault = fake.listFault = () => ({ status: 503, body: 'upstream is down' })
  fake.watches[0]?.cut()
  await waitUntil('several tries', () => listWatch.counters().failures > 5)
  t.same(names(), ['a'], 'what is known stays')
  t.equal(listWatch.synced(), true)
  t.equal(staleReasons.length, 1, 'said once')
  t.ok((listWatch.staleSince() ?? 0) >= before - 1_000)
  fake.watchFault = fake.listFault = undefined
  fake.put('b', {}, true)
  await waitUntil('recovery', () => names().includes('b'))
  await watching(2)
  t.equal(listWatch.staleSince(), undefined)
})

void t.test('watches that end at once back off', async (t) => {
  const { fake, listWatch } = await bed(t, { timing: { backoffMinMs: 50, backoffMaxMs: 400 } })
  const ender = setInterval(() => fake.openWatches()[0]?.end(), 1)
  t.teardown(() => clearInterval(ender))
  await waitUntil('three failures', () => listWatch.counters().failures >= 3)
  t.ok(fake.watches.length <= 5, `${fake.watches.length} watches`)
})

void t.test('a missed event is reconciled by the periodic list', async (t) => {
  const { fake, names, changes } = await bed(t, { timing: { relistMs: 50, watchSeconds: 30 } }, (f) => {
    f.put('a')
    f.put('b')
  })
  await waitUntil('first list', () => names().length === 2)
  fake.remove('a', true)
  const ender = setInterval(
    () => fake.openWatches()[0]?.event('BOOKMARK', { metadata: { resourceVersion: '150' } }),
    5,
  )
  t.teardown(() => clearInterval(ender))
  const closer = setInterval(() => fake.openWatches()[0]?.end(), 20)
  t.teardown(() => clearInterval(closer))
  await waitUntil('a is gone', () => !names().includes('a'))
  t.same(changes, ['+a', '+b', '-a'])
})

void t.test('a handler that throws is logged and counted, and costs no event', async (t) => {
  const seen: string[] = []
  const { fake, listWatch, logLines, watching } = await bed(t, {
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
  await waitUntil('both', () => seen.length === 2)
  t.same(seen, ['bad', 'good'])
  t.equal(listWatch.counters().handlerErrors, 2)
  t.equal(logLines.filter((line) => line.level === 50).length, 2)
  t.equal(fake.watches.length, 1)
})

void t.test('an object that is replaced under its name is another object', async (t) => {
  const { fake, changes, names, watching } = await bed(t, {}, (f) => void f.put('a'))
  await watching()
  fake.remove('a', true)
  fake.put('a', {}, true)
  fake.watches[0]?.event('ERROR', JSON.parse(gone.body))
  await watching(2)
  t.same(changes, ['+a', '-a', '+a'])
  t.same(names(), ['a'])
})

void t.test('stop ends every socket and timer, whatever is under way', async (t) => {
  const { fake, listWatch, watching } = await bed(t)
  await watching()
  await listWatch.stop()
  await waitUntil('the watch is closed', () => fake.openWatches().length === 0)
  fake.put('later')
  const lists = fake.lists.length
  listWatch.start()
  await listWatch.stop()
  t.equal(fake.lists.length, lists, 'a stopped one does not start again')
})

void t.test('stop during the pause after a failure', async (t) => {
  const { listWatch } = await bed(t, { timing: { backoffMinMs: 60_000, backoffMaxMs: 60_000 } }, (f) => {
    f.listFault = () => ({ status: 500, body: '' })
  })
  await waitUntil('a failure', () => listWatch.counters().failures === 1)
  const startedAt = performance.now()
  await listWatch.stop()
  t.ok(performance.now() - startedAt < 1_000)
})

void t.test('an end that an event told of is told from one that a list only lacks', async (t) => {
  const ends: string[] = []
  const { fake, watching } = await bed(
    t,
    {
      onChange: (item, isGone, absent) => {
        if (isGone) ends.push(`${item.name} ${absent ? 'absent' : 'deleted'} at ${item.version}`)
      },
    },
    (f) => {
      f.put('a')
      f.put('b')
    },
  )
  await watching()
  fake.remove('a')
  await waitUntil('the event', () => ends.length === 1)
  fake.remove('b', true)
  fake.openWatches()[0]?.event('ERROR', { code: 410, message: 'too old' })
  await waitUntil('the list', () => ends.length === 2)
  t.same(ends, ['a deleted at 103', 'b absent at 102'], 'with the last state that is known')
})

void t.test('a list that lacks many is read once more before it is believed, and soon again', async (t) => {
  const empty = JSON.stringify({ metadata: { resourceVersion: '900' }, items: [] })
  let emptyLists = 0
  let time = 1_000_000
  const { fake, changes, names, watching } = await bed(t, { now: () => time }, (f) => {
    for (let n = 0; n < 20; n += 1) f.put(`pod-${n}`)
    f.listFault = () => (emptyLists-- > 0 ? { status: 200, body: empty } : undefined)
  })
  await watching()
  changes.length = 0
  const relist = async () => {
    const watches = fake.watches.length
    fake.openWatches()[0]?.event('ERROR', { code: 410, message: 'too old' })
    await watching(watches + 1)
  }
  emptyLists = 1
  await relist()
  t.strictSame(changes, [], 'one empty answer changes nothing')
  t.equal(names().length, 20)
  t.equal(fake.lists.length, 3)
  emptyLists = 2
  await relist()
  t.equal(names().length, 0, 'twice is believed')
  time += 34_000
  const watches = fake.watches.length
  fake.openWatches()[0]?.end()
  await watching(watches + 1)
  t.equal(names().length, 20, 'and listed anew within half a minute, not ten')
})

import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { gone } from './fake-api-server.ts'
import { listWatchBed } from './list-watch-bed.ts'

/** What a list and its watch make known, and what they believe; their faults are in list-watch-faults.test.ts. */

void t.test('lists, then follows events; asks for bookmarks and an end', async (t) => {
  const { fake, listWatch, changes, watching } = await listWatchBed(
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
  await until('all events', () => changes.length === 4)
  t.same(changes, ['+a', '+b', '+a', '-a'])
  t.equal(listWatch.get(b.metadata.uid)?.name, 'b')
  t.equal(listWatch.staleSince(), undefined)
})

void t.test('a long list comes in pages of one snapshot', async (t) => {
  const { fake, names, watching } = await listWatchBed(t, {}, (f) => {
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
    const { fake, changes, listWatch, watching } = await listWatchBed(t)
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

void t.test('duplicate and late events change nothing', async (t) => {
  const { fake, changes, watching } = await listWatchBed(t)
  await watching()
  const first = fake.put('a')
  const second = fake.put('a')
  fake.remove('a')
  const [watch] = fake.watches
  watch?.event('MODIFIED', second)
  watch?.event('ADDED', first)
  watch?.event('DELETED', second)
  fake.put('end')
  await until('the last event', () => changes.includes('+end'))
  t.same(changes, ['+a', '+a', '-a', '+end'])
})

void t.test('versions are compared as numbers', async (t) => {
  const { fake, changes, watching } = await listWatchBed(t)
  await watching()
  const object = (resourceVersion: string) => ({
    metadata: { uid: 'u', name: resourceVersion, resourceVersion },
  })
  fake.watches[0]?.event('ADDED', object('999'))
  fake.watches[0]?.event('MODIFIED', object('1000'))
  await until('both', () => changes.length === 2)
  t.same(changes, ['+999', '+1000'])
})

void t.test('a missed event is reconciled by the periodic list', async (t) => {
  const { fake, names, changes } = await listWatchBed(
    t,
    { timing: { relistMs: 50, watchSeconds: 30 } },
    (f) => {
      f.put('a')
      f.put('b')
    },
  )
  await until('first list', () => names().length === 2)
  fake.remove('a', true)
  const ender = setInterval(
    () => fake.openWatches()[0]?.event('BOOKMARK', { metadata: { resourceVersion: '150' } }),
    5,
  )
  t.teardown(() => clearInterval(ender))
  const closer = setInterval(() => fake.openWatches()[0]?.end(), 20)
  t.teardown(() => clearInterval(closer))
  await until('a is gone', () => !names().includes('a'))
  t.same(changes, ['+a', '+b', '-a'])
})

void t.test('an object that is replaced under its name is another object', async (t) => {
  const { fake, changes, names, watching } = await listWatchBed(t, {}, (f) => void f.put('a'))
  await watching()
  fake.remove('a', true)
  fake.put('a', {}, true)
  fake.watches[0]?.event('ERROR', JSON.parse(gone.body))
  await watching(2)
  t.same(changes, ['+a', '-a', '+a'])
  t.same(names(), ['a'])
})

void t.test('stop ends every socket and timer, whatever is under way', async (t) => {
  const { fake, listWatch, watching } = await listWatchBed(t)
  await watching()
  await listWatch.stop()
  await until('the watch is closed', () => fake.openWatches().length === 0)
  fake.put('later')
  const lists = fake.lists.length
  listWatch.start()
  await listWatch.stop()
  t.equal(fake.lists.length, lists, 'a stopped one does not start again')
})

void t.test('an end that an event told of is told from one that a list only lacks', async (t) => {
  const ends: string[] = []
  const { fake, watching } = await listWatchBed(
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
  await until('the event', () => ends.length === 1)
  fake.remove('b', true)
  fake.openWatches()[0]?.event('ERROR', { code: 410, message: 'too old' })
  await until('the list', () => ends.length === 2)
  t.same(ends, ['a deleted at 103', 'b absent at 102'], 'with the last state that is known')
})

void t.test('a list that lacks many is read once more before it is believed, and soon again', async (t) => {
  const empty = JSON.stringify({ metadata: { resourceVersion: '900' }, items: [] })
  let emptyLists = 0
  let time = 1_000_000
  const { fake, changes, names, watching } = await listWatchBed(t, { now: () => time }, (f) => {
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

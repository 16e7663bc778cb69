import t, { type Test } from 'tap'
import { until } from '../../bed/processes/until.ts'
import type { AcceptedDocumentClients } from '../../src/cluster/accepted-document.ts'
import { createDocumentWatch } from '../../src/cluster/document-watch.ts'
import { KubeApiError } from '../../src/cluster/kube-api-error.ts'
import { createKubeTransport } from '../../src/cluster/kube-transport.ts'
import { type FakeApiServer, gone, startFakeApiServer, statusBody } from './fake-api-server.ts'
import { createLogLines } from './log-lines.ts'

const source = 'greenroom.dev/source-resource-version'
const where = { namespace: 'n', name: 'accepted' }

interface KeptObject {
  readonly metadata: { readonly resourceVersion?: string; readonly annotations?: Record<string, string> }
  readonly data?: Record<string, string>
}

/** ConfigMap `accepted` of the fake, with compare-and-set; its writes fail on demand. */
function createKept(fake: FakeApiServer) {
  fake.selective = true
  const kept = { failures: 0, writes: 0, reads: 0, makes: 0 }
  let object: KeptObject | undefined
  const put = (next: KeptObject): KeptObject => {
    object = fake.put('accepted', { ...next }) as KeptObject
    return object
  }
  const call = async <T>(effect: () => T): Promise<T> => {
    await Promise.resolve()
    if (kept.failures > 0) {
      kept.failures -= 1
      throw new KubeApiError('the API server cannot be reached')
    }
    return effect()
  }
  const core: AcceptedDocumentClients['core'] = {
    readNamespacedConfigMap: (of) =>
      call(() => {
        t.match(of, where)
        kept.reads += 1
        if (!object) throw new KubeApiError('not found', { status: 404 })
        return object
      }),
    patchNamespacedConfigMap: (of) =>
      call(() => {
        t.match(of, { ...where, force: true, fieldManager: 'greenroom-make' })
        kept.makes += 1
        return object ?? put({ metadata: {} })
      }),
    replaceNamespacedConfigMap: (of) =>
      call(() => {
        t.match(of, where)
        const { metadata } = of.body
        if (metadata?.resourceVersion !== object?.metadata.resourceVersion) {
          throw new KubeApiError('conflict', { status: 409 })
        }
        kept.writes += 1
        return put(of.body as KeptObject)
      }),
  }
  return {
    kept,
    core,
    text: () => object?.data?.key,
    version: () => object?.metadata.annotations?.[source],
    put: (text: string, version: string) =>
      put({ metadata: { annotations: { [source]: version } }, data: { key: text } }),
    remove: () => {
      object = undefined
      fake.remove('accepted')
    },
  }
}

interface BedOptions {
  readonly keptText?: string
  readonly write?: boolean
  readonly fake?: FakeApiServer
  readonly kept?: ReturnType<typeof createKept>
}

async function bed(test: Test, options: BedOptions = {}) {
  const fake = options.fake ?? (await startFakeApiServer())
  const transport = createKubeTransport(fake.access)
  const { logger, lines } = createLogLines()
  const accepted = options.kept ?? createKept(fake)
  if (options.keptText !== undefined) accepted.put(options.keptText, '42')
  const changes: string[] = []
  const rejected: string[] = []
  const watch = createDocumentWatch<string>({
    clients: { transport, core: accepted.core },
    namespace: 'n',
    name: 'document',
    key: 'key',
    check: (text) => {
      if (text === 'throw') throw new Error('check broke')
      return text.startsWith('good')
        ? { ok: true, value: text }
        : { ok: false, problems: [`not good: ${text}`] }
    },
    accepted: { name: 'accepted', write: options.write ?? false },
    logger,
    onRejected: ({ problems }) => {
      rejected.push(...problems)
      throw new Error('the handler broke')
    },
    timing: { backoffMinMs: 5, backoffMaxMs: 20, settleMs: 30 },
  })
  watch.onChange((text) => changes.push(text))
  test.teardown(async () => {
    await watch.stop()
    transport.close()
    if (!options.fake) await fake.stop()
  })
  const put = (text: string) => fake.put('document', { data: { key: text } }).metadata.resourceVersion
  return { fake, watch, put, accepted, kept: accepted.kept, changes, rejected, lines }
}

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

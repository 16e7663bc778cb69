import type { V1ConfigMap } from '@kubernetes/client-node'
import t, { type Test } from 'tap'
import { createDocumentWatch } from '../../src/cluster/document-watch.ts'
import { KubeApiError } from '../../src/cluster/kube-api-error.ts'
import { createKubeTransport, type KubeTransport } from '../../src/cluster/kube-transport.ts'
import { gone, startFakeApiServer } from './fake-api-server.ts'
import { createLogLines } from './log-lines.ts'
import { waitUntil } from './wait-until.ts'

/** ConfigMap `accepted`, whose API fails on demand. */
function createKept(text?: string) {
  const kept = { data: text === undefined ? undefined : { key: text }, failures: 0, writes: 0, reads: 0 }
  const hold: { gate: Promise<void> | undefined } = { gate: undefined }
  const call = async <T>(effect: () => T): Promise<T> => {
    await hold.gate
    if (kept.failures > 0) {
      kept.failures -= 1
      throw new KubeApiError('the API server cannot be reached')
    }
    return effect()
  }
  /** The transport of the watch, with this ConfigMap in front of what the fake serves. */
  const over = (transport: KubeTransport): KubeTransport => ({
    ...transport,
    getJson: <T>(path: string, signal?: AbortSignal) =>
      path !== '/api/v1/namespaces/n/configmaps/accepted'
        ? transport.getJson<T>(path, signal)
        : call(() => {
            kept.reads += 1
            if (!kept.data) throw new KubeApiError('not found', { status: 404 })
            const annotations = { 'greenroom.dev/source-resource-version': '42' }
            return { metadata: { resourceVersion: '1', annotations }, data: kept.data } as T
          }),
    writeJson: (method, path, object) =>
      call(() => {
        const collection = '/api/v1/namespaces/n/configmaps'
        t.equal(path, method === 'POST' ? collection : `${collection}/accepted`)
        t.equal(method, kept.data ? 'PUT' : 'POST')
        kept.writes += 1
        kept.data = { key: (object as V1ConfigMap).data?.key ?? '' }
      }),
  })
  return { kept, over, hold }
}

async function bed(test: Test, { keptText, write = false }: { keptText?: string; write?: boolean } = {}) {
  const fake = await startFakeApiServer()
  const transport = createKubeTransport(fake.access)
  const { logger, lines } = createLogLines()
  const { kept, over, hold } = createKept(keptText)
  const changes: string[] = []
  const rejected: string[] = []
  const watch = createDocumentWatch<string>({
    transport: over(transport),
    namespace: 'n',
    name: 'document',
    key: 'key',
    check: (text) => {
      if (text === 'throw') throw new Error('check broke')
      return text.startsWith('good')
        ? { ok: true, value: text }
        : { ok: false, problems: [`not good: ${text}`] }
    },
    accepted: { name: 'accepted', write },
    logger,
    onRejected: ({ problems }) => {
      rejected.push(...problems)
      throw new Error('the handler broke')
    },
    timing: { backoffMinMs: 5, backoffMaxMs: 20 },
  })
  watch.onChange((text) => changes.push(text))
  test.teardown(async () => {
    await watch.stop()
    transport.close()
    await fake.stop()
  })
  const put = (text: string) => fake.put('document', { data: { key: text } }).metadata.resourceVersion
  return { fake, watch, put, kept, hold, changes, rejected, lines }
}

void t.test(
  'the accepted document is taken when the present one is not valid, as soon as it can be read',
  async (t) => {
    const { watch, put, kept, changes, rejected } = await bed(t, { keptText: 'good old' })
    kept.failures = 1
    const bad = put('bad')
    watch.start()
    await waitUntil('restored', () => watch.current() === 'good old')
    t.same(watch.status(), { seen: bad, applied: '42', problems: ['not good: bad'] })
    t.same(rejected, ['not good: bad'])
    put('good new')
    await waitUntil('in force', () => watch.current() === 'good new')
    t.same(changes, ['good old', 'good new'])
  },
)

void t.test('an accepted document that is not valid any more is not taken', async (t) => {
  const { watch, kept, lines } = await bed(t, { keptText: 'bad old' })
  watch.start()
  await waitUntil('read', () => kept.reads === 1)
  await waitUntil('said', () => lines.some((line) => line.level === 50))
  t.equal(watch.current(), undefined)
  t.match(watch.status().problems, [/does not exist/])
})

void t.test('what was written while the accepted document was read wins', async (t) => {
  const { watch, put, kept, hold, changes } = await bed(t, { keptText: 'good old' })
  const { promise, resolve } = Promise.withResolvers<void>()
  hold.gate = promise
  watch.start()
  await waitUntil('missing', () => watch.status().problems !== undefined)
  put('good new')
  await waitUntil('in force', () => watch.current() === 'good new')
  resolve()
  await waitUntil('read', () => kept.reads === 1)
  t.same(changes, ['good new'])
})

void t.test('a check that throws is a problem, not a crash', async (t) => {
  const { watch, put } = await bed(t)
  watch.start()
  put('good')
  await waitUntil('in force', () => watch.current() === 'good')
  put('throw')
  await waitUntil('refused', () => watch.status().problems !== undefined)
  t.match(watch.status().problems, ['cannot be checked: Error: check broke'])
  t.equal(watch.current(), 'good')
})

void t.test('the same text in a new version is no change', async (t) => {
  const { watch, put, changes } = await bed(t)
  watch.start()
  put('good')
  await waitUntil('in force', () => watch.current() === 'good')
  const again = put('good')
  await waitUntil('seen', () => watch.status().applied === again)
  t.same(changes, ['good'])
})

void t.test('a refusal is told once, whatever the watch goes through', async (t) => {
  const { fake, watch, put, rejected, lines } = await bed(t)
  watch.start()
  const bad = put('bad')
  await waitUntil('refused', () => rejected.length === 1)
  for (let round = 1; round <= 3; round += 1) {
    await waitUntil('a watch', () => fake.openWatches().length === 1)
    const lists = fake.lists.length
    fake.openWatches()[0]?.event('ERROR', JSON.parse(gone.body))
    await waitUntil('another list', () => fake.lists.length > lists)
  }
  t.equal(rejected.length, 1)
  t.equal(lines.filter((line) => line.resourceVersion === bad).length, 1)
})

void t.test(
  'writing down what was accepted is tried again and never in the way; the newest counts',
  async (t) => {
    const { watch, put, kept } = await bed(t, { write: true })
    kept.failures = 1
    watch.start()
    put('good 1')
    await waitUntil('in force', () => watch.current() === 'good 1')
    put('good 2')
    await waitUntil('in force', () => watch.current() === 'good 2')
    await waitUntil('written', () => kept.data?.key === 'good 2')
    t.equal(kept.writes, 1)
    const reads = kept.reads
    put('good 2')
    await waitUntil('compared', () => kept.reads > reads)
    t.equal(kept.writes, 1, 'written only when it differs')
  },
)

void t.test('stop does not wait for a write that cannot be made', async (t) => {
  const { watch, put, kept } = await bed(t, { write: true })
  kept.failures = Number.POSITIVE_INFINITY
  watch.start()
  put('good')
  await waitUntil('in force', () => watch.current() === 'good')
  const startedAt = performance.now()
  await watch.stop()
  t.ok(performance.now() - startedAt < 1_000)
})

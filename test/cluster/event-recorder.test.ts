import type { EventsV1Api, EventsV1Event } from '@kubernetes/client-node'
import t, { type Test } from 'tap'
import { until } from '../../bed/processes/until.ts'
import { createEventRecorder, type RecordedEvent } from '../../src/cluster/event-recorder.ts'
import { KubeApiError } from '../../src/cluster/kube-api-error.ts'
import { createLogLines } from './log-lines.ts'

function bed(test: Test, { everyMs = 60_000 } = {}) {
  const created: EventsV1Event[] = []
  const patched: { count: number }[] = []
  const api = {
    clock: 1_000_000,
    error: undefined as Error | undefined,
    patchError: undefined as Error | undefined,
  }
  const events = {
    createNamespacedEvent: async ({ body }: { body: EventsV1Event }) => {
      await Promise.resolve()
      if (api.error) throw api.error
      created.push(body)
    },
    patchNamespacedEvent: async ({ body }: { body: { value: { count: number } }[] }) => {
      await Promise.resolve()
      if (api.patchError) throw api.patchError
      patched.push(...body.map(({ value }) => value))
    },
  } as unknown as EventsV1Api
  const { logger, lines } = createLogLines()
  const recorder = createEventRecorder({
    clients: { events },
    namespace: 'agents',
    component: 'greenroom.dev/test',
    instance: 'x'.repeat(300),
    logger,
    now: () => api.clock,
    everyMs,
  })
  test.teardown(() => recorder.stop())
  return { recorder, created, patched, api, lines }
}

const event: RecordedEvent = {
  regarding: { kind: 'Pod', name: 'p', uid: 'u' },
  type: 'Normal',
  reason: 'Claimed',
  action: 'Claim',
  note: 'for session s',
}

void t.test('fields keep to the limits of the API', async (t) => {
  const { recorder, created } = bed(t)
  recorder.record({ ...event, note: '€'.repeat(1_000), reason: 'R'.repeat(200) })
  await recorder.stop()
  const [written] = created
  t.ok(Buffer.byteLength(written?.note ?? '') <= 1024)
  t.equal(written?.reason?.length, 128)
  t.equal(written?.reportingInstance?.length, 128)
})

void t.test('the same is written once, and its count after the minute', async (t) => {
  const { recorder, created, patched } = bed(t, { everyMs: 30 })
  for (let round = 0; round < 10; round += 1) recorder.record(event)
  recorder.record({ ...event, note: 'for session t' })
  await until('the count', () => patched.length === 1)
  t.match(patched, [{ count: 10 }])
  t.equal(created.length, 2)
})

void t.test('a series that was quiet for long is over', async (t) => {
  const { recorder, created, api } = bed(t)
  recorder.record(event)
  api.clock += 6 * 60_000
  recorder.record(event)
  await recorder.stop()
  t.equal(created.length, 2)
})

void t.test('an event that expired meanwhile is written anew', async (t) => {
  const { recorder, created, api } = bed(t, { everyMs: 10 })
  api.patchError = new KubeApiError('not found', { status: 404 })
  recorder.record(event)
  recorder.record(event)
  await until('again', () => created.length === 2)
  t.pass()
})

void t.test('a failure is logged, nothing else', async (t) => {
  const { recorder, api, lines } = bed(t)
  api.error = new KubeApiError('the API server cannot be reached')
  recorder.record(event)
  await recorder.stop()
  t.match(lines, [
    { msg: 'a Kubernetes Event could not be written', reason: 'the API server cannot be reached' },
  ])
})

void t.test('a flood of different events is bounded', async (t) => {
  const { recorder, created, lines, api } = bed(t)
  for (let round = 0; round < 300; round += 1) recorder.record({ ...event, note: String(round) })
  await until('written', () => created.length === 200)
  t.equal(lines.length, 100)
  api.clock += 6 * 60_000
  recorder.record({ ...event, note: 'later' })
  await until('forgotten series make room', () => created.length === 201)
  t.pass()
})

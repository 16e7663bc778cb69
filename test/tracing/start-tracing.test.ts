import t, { type Test } from 'tap'
import { until } from '../../bed/processes/until.ts'
import type { TraceContext } from '../../src/domain/trace-context.ts'
import { mostWaitingSpans, type SpanOutcome } from '../../src/tracing/span-exports.ts'
import { activeTrace, askedFrom, beginSpan, continued, doneFor, traced } from '../../src/tracing/spans.ts'
import { startTracing, type TracingSettings, wantsTracing } from '../../src/tracing/start-tracing.ts'
import { startSpanCollector } from '../support/span-collector.ts'

const traceId = '0af7651916cd43dd8448eb211c80319c'
const trace: TraceContext = { traceparent: `00-${traceId}-b7ad6b7169203331-01`, tracestate: 'vendor=x' }

/** Tracing is one for a process, so each test begins and ends it. */
async function record(t: Test, collectorUrl: string, settings: TracingSettings = {}) {
  const outcomes: Record<SpanOutcome, number> = { exported: 0, failed: 0, dropped: 0 }
  const changes: boolean[] = []
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = collectorUrl
  const tracing = await startTracing(settings, {
    service: 'greenroom-test',
    instance: 'one',
    onOutcome(outcome, count) {
      outcomes[outcome] += count
    },
    onChange: (isWell) => changes.push(isWell),
  })
  let stopped: Promise<void> | undefined
  const stop = () => {
    stopped ??= tracing.stop()
    return stopped
  }
  t.teardown(stop)
  return { outcomes, changes, stop }
}

const nothing = async () => undefined

void t.test('without tracing work is done and nothing is known of a trace', async (t) => {
  t.equal(await traced('a', async () => 1), 1)
  t.equal(await continued('a', trace, async () => activeTrace()), undefined)
  t.equal(beginSpan('a', trace), undefined)
  t.equal(askedFrom(), undefined)
  t.equal(
    doneFor([undefined, undefined], () => 2),
    2,
  )
})

void t.test('who asks for tracing', async (t) => {
  const endpoint = 'http://collector:4318'
  t.equal(wantsTracing({}), false)
  t.equal(wantsTracing({ OTEL_EXPORTER_OTLP_ENDPOINT: '' }), false)
  t.equal(wantsTracing({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }), true)
  t.equal(wantsTracing({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: endpoint }), true)
  for (const no of [false, 'false'])
    t.equal(wantsTracing({ GREENROOM_TRACING: no, OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }), false)
  for (const yes of [true, 'true']) {
    t.equal(wantsTracing({ GREENROOM_TRACING: yes }), true)
    t.equal(wantsTracing({ GREENROOM_TRACING: yes, OTEL_SDK_DISABLED: yes }), false)
  }
})

void t.test(
  'spans go on with the trace of the caller, below each other, without values of errors',
  async (t) => {
    const collector = await startSpanCollector(t)
    const { stop, outcomes } = await record(t, collector.url)
    let seen: TraceContext | undefined
    await continued('request', trace, async () => {
      await traced('step', () => traced('inner', nothing, { role: 'client', attributes: { size: 2 } }))
      await traced('fails', () =>
        Promise.reject(Object.assign(new Error('secret'), { code: 'GRN_X' })),
      ).catch(nothing)
      await traced('fails too', () => Promise.reject(new TypeError('secret'))).catch(nothing)
      seen = activeTrace()
    })
    await traced('of no request', nothing)
    await stop()
    const named = (name: string) => collector.spans.find((span) => span.name === name)
    const request = named('request')
    t.match(request, { traceId, parentSpanId: 'b7ad6b7169203331', service: 'greenroom-test' })
    t.same(seen, { traceparent: `00-${traceId}-${request?.spanId}-01`, tracestate: 'vendor=x' })
    t.match(named('step'), { traceId, parentSpanId: request?.spanId, kind: 1 })
    t.match(named('inner'), {
      traceId,
      parentSpanId: named('step')?.spanId,
      kind: 3,
      attributes: { size: 2 },
    })
    t.match(named('fails'), { status: { code: 2 }, attributes: { 'error.type': 'GRN_X' } })
    t.match(named('fails too'), { attributes: { 'error.type': 'TypeError' } })
    t.notMatch(JSON.stringify(collector.asked), /secret/)
    t.equal(collector.spans.length, 5)
    t.same(outcomes, { exported: 5, failed: 0, dropped: 0 })
    t.equal(await traced('after the end', async () => 1), 1)
  },
)

void t.test(
  'work for several requests is a trace of its own, linked both ways; for one it is a part of his',
  async (t) => {
    const collector = await startSpanCollector(t)
    // A trace that begins here is not kept: theirs decide.
    const { stop } = await record(t, collector.url, { OTEL_TRACES_SAMPLER: 'parentbased_always_off' })
    const requests = ['1', '2', '3'].map(
      (digit) => `00-${digit.repeat(32)}-${'a'.repeat(16)}-0${digit === '3' ? 0 : 1}`,
    )
    const askers = requests.map((traceparent) => {
      // As it is in an open: whoever waits for the shared work is a span that has not ended.
      const span = beginSpan('asks', { traceparent })
      return { span, from: span?.within(askedFrom) }
    })
    await doneFor(
      askers.map(({ from }) => from),
      () => traced('shared', nothing),
    )
    await doneFor([askers[0]?.from], () => traced('alone', nothing))
    await doneFor([askers[2]?.from, undefined], () => traced('of unsampled ones', nothing))
    for (const { span } of askers) span?.end()
    await stop()
    const named = (name: string) => collector.spans.filter((span) => span.name === name)
    const [shared] = named('shared')
    const asked = named('asks')
    t.equal(asked.length, 2, 'the third is not sampled')
    t.same(
      shared?.links?.map((link) => link.spanId),
      asked.map(({ spanId }) => spanId),
    )
    t.notOk(shared?.parentSpanId)
    for (const asker of asked) {
      t.not(asker.traceId, shared?.traceId)
      t.match(asker.links, [{ traceId: shared?.traceId, spanId: shared?.spanId }])
    }
    t.match(named('alone'), [{ parentSpanId: asked[0]?.spanId }])
    t.same(named('of unsampled ones'), [])
  },
)

void t.test(
  'the parent decides, or the ratio, by the standard names; a new trace of the caller SDK is undecided',
  async (t) => {
    const collector = await startSpanCollector(t)
    const unsampled: TraceContext = { traceparent: trace.traceparent.replace(/01$/, '00') }
    const undecided: TraceContext = { ...unsampled, tracestate: 'greenroom=new,vendor=x' }
    const cases: readonly (readonly [string | undefined, string | undefined, Record<string, boolean>])[] = [
      [undefined, undefined, { none: true, sampled: true, unsampled: false, undecided: true }],
      ['always_on', undefined, { none: true, sampled: true, unsampled: true, undecided: true }],
      ['always_off', undefined, { none: false, sampled: false, unsampled: false, undecided: false }],
      [
        'parentbased_always_off',
        undefined,
        { none: false, sampled: true, unsampled: false, undecided: false },
      ],
      ['parentbased_traceidratio', '0', { none: false, sampled: true, unsampled: false, undecided: false }],
      ['traceidratio', '1', { none: true, sampled: true, unsampled: true, undecided: true }],
      ['nonsense', 'x', { none: true, sampled: true, unsampled: false, undecided: true }],
    ]
    for (const [OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG, expected] of cases) {
      const { stop } = await record(t, collector.url, { OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG })
      collector.spans.length = 0
      const given = { none: undefined, sampled: trace, unsampled, undecided }
      const decided: Record<string, boolean> = {}
      for (const [name, context] of Object.entries(given)) {
        const span = beginSpan(name, context)
        decided[name] = span?.trace.traceparent.endsWith('01') ?? false
        if (name === 'undecided')
          t.equal(span?.trace.tracestate, 'vendor=x', 'who comes next keeps to what is decided')
        if (context) t.equal(span?.trace.traceparent.slice(3, 35), traceId)
        span?.end()
      }
      await stop()
      t.same(decided, expected, String(OTEL_TRACES_SAMPLER))
      const recorded = Object.keys(expected).filter((name) => expected[name])
      t.same(
        collector.spans.map(({ name }) => name).toSorted(),
        recorded.toSorted(),
        String(OTEL_TRACES_SAMPLER),
      )
    }
  },
)

void t.test('a collector that refuses: work goes on, and what is lost is counted', async (t) => {
  let status = 400
  const collector = await startSpanCollector(t, (response) => response.writeHead(status).end('{}'))
  const { outcomes, changes, stop } = await record(t, collector.url)
  await continued('lost', undefined, nothing)
  await until('the refusal is counted', () => outcomes.failed === 1)
  t.same(changes, [false])
  status = 200
  await continued('kept', undefined, nothing)
  await stop()
  t.same(outcomes, { exported: 1, failed: 1, dropped: 0 })
  t.same(changes, [false, true])
})

void t.test(
  'a collector that hangs: nobody waits, memory is bounded, what is too much is counted, the stop ends',
  async (t) => {
    const collector = await startSpanCollector(t, () => undefined)
    const { outcomes, stop } = await record(t, collector.url)
    const most = mostWaitingSpans
    await continued('request', undefined, async () => {
      for (let n = 0; n < most + 600; n += 1) await traced('step', nothing)
    })
    // The first full batch of 512 is on its way, and the queue behind it is full.
    await until('the first batch is sent', () => collector.asked.length === 1)
    t.equal(outcomes.dropped, 600 + 1 - 512)
    t.equal(outcomes.exported, 0)
    await stop()
  },
)

void t.test('packages that are not there', async (t) => {
  const missing = Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' })
  const options = {
    service: 's',
    instance: 'i',
    onOutcome() {},
    onChange() {},
    load: () => Promise.reject(missing),
  }
  await t.rejects(startTracing({}, options), missing)
  t.equal(await traced('goes on', async () => 1), 1)
})

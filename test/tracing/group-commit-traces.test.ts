import t from 'tap'
import { createGroupCommit } from '../../src/stores/group-commit.ts'
import { continued, traced } from '../../src/tracing/spans.ts'
import { startTracing } from '../../src/tracing/start-tracing.ts'
import { startSpanCollector } from '../support/span-collector.ts'

void t.test('opens that share a statement are linked with it; a lone one has it as its child', async (t) => {
  const collector = await startSpanCollector(t)
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = collector.url
  const tracing = await startTracing({}, { service: 's', instance: 'i', onOutcome() {}, onChange() {} })
  const submit = createGroupCommit<number, number>({
    run: (inputs) => traced('sql', async () => inputs, { attributes: { inputs: inputs.length } }),
    failsAll: () => true,
    maxSize: 8,
    maxInFlight: 1,
    patienceMs: 1_000,
    maxWaitMs: 5_000,
    answerWithinMs: 5_000,
    leastLeftMs: 1,
  })
  const open = (n: number) => continued(`open ${n}`, undefined, () => traced('commit', () => submit(n)))
  t.equal(await open(0), 0)
  // All of one turn of the event loop go together, in the context of whoever came first.
  t.same(await Promise.all([open(1), open(2), open(3)]), [1, 2, 3])
  // Nobody's work, which begins while a request is under way, is no part of it.
  t.equal(await submit(4), 4)
  await tracing.stop()

  const { spans } = collector
  const [alone, shared, ...more] = spans.filter(({ name }) => name === 'sql')
  t.same(more, [], 'what no request asked for is not traced')
  const commits = spans.filter(({ name }) => name === 'commit')
  t.match(alone, { attributes: { inputs: '1' } })
  const parent = commits.find(({ spanId }) => spanId === alone?.parentSpanId)
  t.equal(spans.find(({ spanId }) => spanId === parent?.parentSpanId)?.name, 'open 0')
  t.match(shared, { attributes: { inputs: '3' } })
  t.notOk(shared?.parentSpanId)
  const sharers = commits.filter((commit) => commit !== parent).map(({ spanId }) => spanId)
  t.same(shared?.links?.map(({ spanId }) => spanId).toSorted(), sharers.toSorted())
  for (const commit of commits.filter((one) => one !== parent))
    t.match(commit.links, [{ traceId: shared?.traceId, spanId: shared?.spanId }])
})

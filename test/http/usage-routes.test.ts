import t from 'tap'
import { usageReport } from '../../src/domain/usage-report.ts'
import type { UsageQuestion } from '../../src/sessions/read-usage.ts'
import { isProblem, startApi } from './api-bed.ts'

const from = Date.UTC(2026, 10, 1)
const report = usageReport({
  window: { from, to: from + 86_400_000 },
  until: from + 86_400_000,
  by: 'project,pool',
  sums: [
    ...['p "one", of Ann', '=1+1', '-p', undefined].map((projectId, at) => ({
      agentType: 'echo-agent',
      projectId,
      sessions: 1,
      sessionMs: 10_000 - at,
      podMs: 20_000,
      startingMs: 0,
      inexactMs: 0,
    })),
    {
      agentType: 'spare',
      projectId: undefined,
      sessions: 0,
      sessionMs: 0,
      podMs: 1,
      startingMs: 1,
      inexactMs: 0,
    },
  ],
  priceOf: (agentType) => (agentType === 'spare' ? undefined : 0.36),
})

const asked: UsageQuestion[] = []
const withReport = {
  async readUsage(question: UsageQuestion) {
    asked.push(question)
    return report
  },
}
const window = 'from=2026-11-01&to=2026-11-02'

void t.test('the report as JSON: as the schema has it, what is absent left out', async (t) => {
  const api = await startApi(t, withReport)
  const answer = await api.call('GET', `/v1/usage?${window}&by=project,pool&price=0.36`)
  t.equal(answer.statusCode, 200)
  t.match(answer.headers['content-type'], /^application\/json/)
  t.same(answer.json(), JSON.parse(JSON.stringify(report)))
  t.same(asked.pop(), { from: '2026-11-01', to: '2026-11-02', by: 'project,pool', price: 0.36 })
  await api.call('GET', `/v1/usage?${window}`)
  t.same(asked.pop(), { from: '2026-11-01', to: '2026-11-02', by: 'project', price: undefined })
})

void t.test('as CSV, by format or by Accept; names that a spreadsheet would compute are text', async (t) => {
  const api = await startApi(t, withReport)
  const answer = await api.call('GET', `/v1/usage?${window}&format=csv`)
  t.equal(answer.statusCode, 200)
  t.match(answer.headers, {
    'content-type': /^text\/csv; charset=utf-8/,
    'content-disposition': 'attachment; filename="usage-2026-11-01-2026-11-02.csv"',
  })
  t.equal(
    answer.body,
    [
      'project,pool,unshared,sessions,session_seconds,idle_seconds,pod_seconds,cost',
      '"p ""one"", of Ann","echo-agent",false,1,10.000,10.003,20.003,0.002000',
      '"\'=1+1","echo-agent",false,1,9.999,10.002,20.001,0.002000',
      '"\'-p","echo-agent",false,1,9.998,10.001,19.999,0.002000',
      ',"echo-agent",false,1,9.997,10.000,19.997,0.002000',
      ',"spare",true,0,0.000,0.001,0.001,',
      '',
    ].join('\r\n'),
  )
  const typeFor = async (accept: string, more = '') =>
    (await api.call('GET', `/v1/usage?${window}${more}`, { headers: { accept } })).headers['content-type']
  t.match(await typeFor('text/csv'), /^text\/csv/)
  t.match(await typeFor('text/html, text/csv;q=0.9, application/json;q=0.1'), /^text\/csv/)
  for (const accept of ['*/*', 'application/json', 'application/json, text/csv'])
    t.match(await typeFor(accept), /^application\/json/, accept)
  t.match(await typeFor('text/csv', '&format=json'), /^application\/json/, 'format comes first')
})

void t.test('bad queries are refused before anything is read', async (t) => {
  const api = await startApi(t, withReport)
  const before = asked.length
  for (const [query, hint] of [
    ['', /from/],
    ['from=2026-11-01', /to/],
    [`${window}&by=team`, /by/],
    [`${window}&format=xml`, /format/],
    [`${window}&price=-1`, /price/],
    [`${window}&price=NaN`, /price/],
    [`${window}&price=1e3`, /price/],
    [`${window}&price=0.1234567`, /price/],
    [`${window}&extra=1`, /extra/],
    ['from=2026-11-01&from=2026-11-02&to=2026-11-03', /from more than once/],
    [`from=${'9'.repeat(41)}&to=2026-11-03`, /from/],
  ] as const)
    isProblem(t, await api.call('GET', `/v1/usage?${query}`), 'GRN_INVALID_REQUEST', 400, hint)
  isProblem(
    t,
    await api.call('GET', `/v1/usage?${window}`, { headers: { authorization: '' } }),
    'GRN_UNAUTHENTICATED',
    401,
  )
  t.equal(asked.length, before)
})

void t.test('reports take the places of lists: two at once, and sixteen may wait', async (t) => {
  const waiting: (() => void)[] = []
  const api = await startApi(t, {
    readUsage: () => new Promise((resolve) => waiting.push(() => resolve(report))),
  })
  const answers = Array.from({ length: 19 }, () => api.call('GET', `/v1/usage?${window}`))
  isProblem(t, await Promise.race(answers), 'GRN_LISTS_BUSY', 429)
  t.equal(waiting.length, 2)
  for (let at = 0; at < 18; at += 1) {
    while (waiting.length === 0) await new Promise((resolve) => setImmediate(resolve))
    waiting.shift()?.()
  }
  const codes = (await Promise.all(answers)).map(({ statusCode }) => statusCode)
  t.equal(codes.filter((code) => code === 200).length, 18)
})

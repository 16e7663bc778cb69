import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { isProblem, newSession, startApi } from './api-bed.ts'

void t.test('two lists at once, sixteen wait, the next ones are told to come back', async (t) => {
  const held = Promise.withResolvers<void>()
  let running = 0
  let most = 0
  const api = await startApi(t, {
    async listSessions() {
      running += 1
      most = Math.max(most, running)
      await held.promise
      running -= 1
      return { sessions: [newSession()], hasMore: false }
    },
  })
  const urls = ['/v1/sessions', '/v1/sessions?fields=metadata&limit=200']
  const lists = Array.from({ length: 18 }, (_, n) => api.call('GET', urls[n % 2] ?? ''))
  await until('two to be inside', () => running === 2)
  const refused = await api.call('GET', '/v1/sessions')
  isProblem(t, refused, 'GRN_LISTS_BUSY', 429, /Retry after the given time/)
  t.equal(refused.headers['retry-after'], '1')
  isProblem(t, await api.call('GET', '/v1/pools'), 'GRN_LISTS_BUSY', 429)
  t.equal(
    (await api.call('POST', '/v1/sessions', { body: { agentType: 'echo-agent' } })).statusCode,
    201,
    'opens go on',
  )
  held.resolve()
  for (const answer of await Promise.all(lists)) t.equal(answer.statusCode, 200)
  t.equal(most, 2)
  t.equal((await api.call('GET', '/v1/sessions')).statusCode, 200, 'places are given back')
})

void t.test('a list that fails gives its place back', async (t) => {
  const api = await startApi(t, { listSessions: () => Promise.reject(new Error('no')) })
  for (let n = 0; n < 5; n += 1) isProblem(t, await api.call('GET', '/v1/sessions'), 'GRN_INTERNAL', 500)
  t.equal((await api.call('GET', '/v1/pools')).statusCode, 200)
})

import t from 'tap'
import { isProblem, startApi } from './api-bed.ts'

void t.test('the pools, and one of them', async (t) => {
  const api = await startApi(t)
  const one = {
    agentType: 'echo-agent',
    desired: { min: 2, max: 9 },
    ready: 2,
    configuration: { applied: '1' },
  }
  t.match((await api.call('GET', '/v1/pools')).json(), { pools: [one] })
  const answer = (await api.call('GET', '/v1/pools/echo-agent')).json()
  t.match(answer, one)
  for (const key of ['hitRate', 'boundBy', 'message']) t.notOk(key in answer, `${key} is left out`)
  isProblem(t, await api.call('GET', '/v1/pools/nothing'), 'GRN_UNKNOWN_AGENT_TYPE', 404, /"nothing"/)
})

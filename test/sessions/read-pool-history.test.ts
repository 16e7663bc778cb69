import t from 'tap'
import { createReadPoolHistory } from '../../src/sessions/read-pool-history.ts'
import { startApi } from '../http/api-bed.ts'
import { createFakePodView, newPod } from '../support/fake-pod-view.ts'
import { poolsOf } from './open-bed.ts'

void t.test('of a pool, or of one that is gone and has pods; of nothing else', async (t) => {
  const pods = createFakePodView()
  pods.set(newPod({ uid: 'left', agentType: 'removed' }))
  const asked: unknown[][] = []
  const point = { at: '2026-01-01T00:00:00.000Z', idle: 1, claimed: 2, waiting: 0, hitRate: 0.5 }
  const readPoolHistory = createReadPoolHistory({
    history: {
      async read(agentType, minutes) {
        asked.push([agentType, minutes])
        return [point]
      },
    },
    pools: { current: () => poolsOf('pools: {echo-agent: {template: {image: a}, min: 0, max: 1}}') },
    pods: pods.view,
  })
  const api = await startApi(t, { readPoolHistory })
  const get = (path: string) => api.call('GET', `/v1/pools/${path}`)
  const answer = await get('echo-agent/history')
  t.match(answer.json(), { agentType: 'echo-agent', points: [point] })
  t.equal((await get('removed/history?minutes=1440')).statusCode, 200)
  t.same(asked, [
    ['echo-agent', 60],
    ['removed', 1_440],
  ])
  for (const name of ['constructor', '__proto__', 'x'.repeat(5_000), '%27', '%00'])
    t.ok([400, 404].includes((await get(`${name}/history`)).statusCode), name.slice(0, 20))
  for (const query of ['minutes=0', 'minutes=1441', 'minutes=x', 'minutes=1.5', 'from=1'])
    t.equal((await get(`echo-agent/history?${query}`)).statusCode, 400, query)
  t.equal(asked.length, 2)
})

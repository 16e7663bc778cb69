import t from 'tap'
import { startOpenServers } from '../sessions/open-session-bed.ts'
import { callerOf, startTenantApi } from './tenant-bed.ts'

const { startBed } = await startOpenServers(t)

void t.test('the course of an open with real stores and a real agent, after its end too', async (t) => {
  const api = await startTenantApi(t, await startBed(t, 2), { a: callerOf('a'), b: callerOf('b') })
  const { body } = await api.open('a')
  const id = String(body.id)
  await api.call('a', 'POST', `/v1/sessions/${id}/renew`, { body: { epoch: body.epoch } })
  await api.call('a', 'DELETE', `/v1/sessions/${id}`)
  const answer = await api.call('a', 'GET', `/v1/sessions/${id}/timeline`)
  const steps = answer.body.steps as { step: string; at: string; ms?: number; count?: number }[]
  t.same(
    steps.map(({ step }) => step),
    ['reserved', 'committed', 'delivered', 'activated', 'renewed', 'ending'],
  )
  for (const { step, ms } of steps.slice(0, 4))
    t.ok(ms !== undefined && ms >= 0, `${step} says how long it took`)
  t.match(steps[4], { count: 1 })
  t.same(
    [...steps].sort((x, y) => Date.parse(x.at) - Date.parse(y.at)),
    steps,
    'in order of time',
  )
  t.match(await api.call('b', 'GET', `/v1/sessions/${id}/timeline`), {
    status: 404,
    text: /GRN_SESSION_NOT_FOUND/,
  })
  for (const bad of ['no-uuid', '%00', 'x'.repeat(300)])
    t.match(await api.call('a', 'GET', `/v1/sessions/${bad}/timeline`), { status: 404 })
})

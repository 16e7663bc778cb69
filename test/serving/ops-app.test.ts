import t from 'tap'
import { createMetrics } from '../../src/metrics.ts'
import { createOpsApp } from '../../src/serving/ops-app.ts'
import { isProblem } from '../http/api-bed.ts'
import { silent } from '../support/kept-log.ts'

void t.test('a role without an API has the same probes and refusals', async (t) => {
  const checks = () => ({ kubernetes: 'ok' as const })
  const app = await createOpsApp({ logger: silent, registry: createMetrics().registry, checks })
  t.teardown(() => app.close())
  t.equal((await app.inject({ url: '/readyz' })).statusCode, 200)
  t.equal((await app.inject({ url: '/metrics' })).statusCode, 200)
  isProblem(t, await app.inject({ url: '/v1/sessions' }), 'GRN_NOT_FOUND', 404)
  isProblem(t, await app.inject({ url: '/%ff' }), 'GRN_INVALID_REQUEST', 400)
})

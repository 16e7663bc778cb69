import { get } from 'node:http'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { freePort } from '../../bed/servers/free-port.ts'
import { createLifecycle } from '../../src/lifecycle.ts'
import { createMetrics } from '../../src/metrics.ts'
import { createOpsServer } from '../../src/roles/ops-server.ts'
import { silent } from '../support/kept-log.ts'

void t.test('one server for all roles of a process, with the checks of each', async (t) => {
  const lifecycle = createLifecycle(silent)
  t.teardown(() => lifecycle.stop())
  const metrics = createMetrics()
  const ops = createOpsServer({ lifecycle, logger: silent, metrics })
  const port = await freePort()
  let redis: 'ok' | 'failed' = 'ok'
  await ops.add('controller', { host: '127.0.0.1', port, checks: () => ({ redis }) })
  t.match(await read(port, '/readyz?verbose'), { status: 200, body: '"checks":{"controller/redis":"ok"}' })
  await ops.add('api', { host: '127.0.0.1', port: 1, checks: () => ({ redis: 'ok', pools: 'degraded' }) })
  t.match(await read(port, '/readyz?verbose'), {
    status: 200,
    body: '"checks":{"controller/redis":"ok","api/redis":"ok","api/pools":"degraded"}',
  })
  redis = 'failed'
  t.match(await read(port, '/readyz'), { status: 503, body: '{"status":"not ready"}' })
  metrics.openSeconds.observe({ labels: { agent_type: 'a', outcome: 'opened' }, value: 0.001 })
  t.match(await read(port, '/metrics'), { status: 200, body: /greenroom_open_seconds_count\{.*\} 1/ })
  t.match(await read(port, '/v1/sessions'), { status: 404 })
})

async function read(port: number, path: string): Promise<{ status: number | undefined; body: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number | undefined; body: string }>()
  get({ host: '127.0.0.1', port, path, agent: false }, (answer) => {
    text(answer).then((body) => resolve({ status: answer.statusCode, body }), reject)
  }).on('error', reject)
  return promise
}

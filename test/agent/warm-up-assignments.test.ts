import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { createAgentMetrics } from '../../src/agent/agent-metrics.ts'
import { warmUpAssignments } from '../../src/agent/warm-up-assignments.ts'

void t.test('the warm-up is accepted at its own port and leaves nothing behind', async (t) => {
  const metrics = createAgentMetrics('echo-agent')
  const before = await metrics.text()
  await warmUpAssignments({ address: '127.0.0.1', podUid: 'pod-1', metrics })
  t.equal(await metrics.text(), before, 'nothing is counted')
  await until('no socket', () => !process.getActiveResourcesInfo().some((name) => name.startsWith('TCP')))
})

void t.test('an address that is not ours ends the start with its error', async (t) => {
  const metrics = createAgentMetrics('echo-agent')
  await t.rejects(warmUpAssignments({ address: '203.0.113.1', podUid: 'pod-1', metrics }), {
    code: 'EADDRNOTAVAIL',
  })
})

import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { createAgentMetrics } from '../../src/agent/agent-metrics.ts'
import { warmUpAssignments } from '../../src/agent/warm-up-assignments.ts'

const podUid = 'pod-1'
const noSocket = () =>
  until('no socket', () => !process.getActiveResourcesInfo().some((name) => name.startsWith('TCP')))

void t.test('the warm-up is accepted at its own port and leaves nothing behind', async (t) => {
  const metrics = createAgentMetrics('echo-agent')
  const before = await metrics.text()
  for (const address of ['127.0.0.1', '0.0.0.0', '::'])
    await warmUpAssignments({ address, podUid, metrics, isWanted: () => true })
  t.equal(await metrics.text(), before, 'nothing is counted')
  await noSocket()
})

void t.test('it ends between two assignments when it is not wanted any more', async (t) => {
  let asked = 0
  const isWanted = () => {
    asked += 1
    return asked === 1
  }
  await warmUpAssignments({
    address: '127.0.0.1',
    podUid,
    metrics: createAgentMetrics('echo-agent'),
    isWanted,
  })
  t.equal(asked, 2, 'one assignment, then the question again')
  await noSocket()
})

void t.test('an address that is not ours ends it with its error', async (t) => {
  const metrics = createAgentMetrics('echo-agent')
  await t.rejects(warmUpAssignments({ address: '203.0.113.1', podUid, metrics, isWanted: () => true }), {
    code: 'EADDRNOTAVAIL',
  })
})

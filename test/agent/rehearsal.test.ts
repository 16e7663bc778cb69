import t from 'tap'
import { createAgentMetrics } from '../../src/agent/agent-metrics.ts'
import { rehearseAssignment } from '../../src/agent/rehearsal.ts'

void t.test('a rehearsal is accepted on its own stage and leaves nothing behind', async (t) => {
  const metrics = createAgentMetrics('echo-agent')
  const before = await metrics.text()
  const sockets = process.getActiveResourcesInfo().filter((name) => name.startsWith('TCP')).length
  await rehearseAssignment({ address: '127.0.0.1', podUid: 'pod-1', metrics })
  t.equal(await metrics.text(), before, 'nothing is counted')
  t.equal(process.getActiveResourcesInfo().filter((name) => name.startsWith('TCP')).length, sockets)
})

void t.test('an address that is not ours ends the start with its error', async (t) => {
  const metrics = createAgentMetrics('echo-agent')
  await t.rejects(rehearseAssignment({ address: '203.0.113.1', podUid: 'pod-1', metrics }), {
    code: 'EADDRNOTAVAIL',
  })
})

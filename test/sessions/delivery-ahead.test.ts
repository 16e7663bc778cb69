import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { createStepGate, heldStore } from '../support/claim-steps.ts'
import { startOpenServers } from './open-session-bed.ts'

/** Opens connect to their pod while PostgreSQL is asked for it. Until it has answered, the pod must not hear of the session. */

const { startBed } = await startOpenServers(t)

void t.test(
  'the pod is connected to before it is claimed, and told afterwards over that connection',
  async (t) => {
    const { agents, sessions, replica } = await startBed(t, 1)
    const gate = createStepGate()
    const api = await replica({ sessions: heldStore(sessions, gate) })
    const agent = agents.agent('pod-0')
    gate.hold('commit')
    const opened = api.open({ metadata: { a: 1 }, secrets: { KEY: 's' } })
    await until('a connection', () => agent.connections === 1)
    t.same(agent.assignments, [], 'nothing was sent')
    gate.release('commit')
    t.match((await opened).session, { status: 'ACTIVE', pod: { uid: 'pod-0' } })
    t.match(agent.assignments, [{ metadata: { a: 1 }, secrets: { KEY: 's' } }])
    t.equal(agent.connected, 1)
  },
)

void t.test('a pod that another session got hears nothing, and its connection is closed', async (t) => {
  const { agents, ledger, sessions, replica } = await startBed(t, 2)
  const gate = createStepGate()
  const api = await replica({ sessions: heldStore(sessions, gate) })
  const agent = agents.agent('pod-0')
  gate.hold('commit')
  const opened = api.open()
  await until('a connection', () => agent.connections === 1)
  await ledger.retire(['pod-0'], 'surplus')
  gate.release('commit')
  t.match((await opened).session, { pod: { uid: 'pod-1' }, epoch: 2 })
  await until('the end of the connection', () => agent.connections === 0)
  t.same(agent.assignments, [])
})

void t.test('a claim that PostgreSQL refuses leaves no connection behind', async (t) => {
  const { agents, sessions, replica } = await startBed(t, 1)
  const gate = createStepGate()
  const held = heldStore(sessions, gate)
  const api = await replica({
    sessions: {
      ...held,
      async commitOpen(record) {
        await held.commitOpen({ ...record, pod: { ...record.pod, uid: 'nobody' } })
        throw new Error('its answer was lost')
      },
    },
  })
  const agent = agents.agent('pod-0')
  gate.hold('commit')
  const opened = api.open()
  await until('a connection', () => agent.connections === 1)
  gate.release('commit')
  await t.rejects(opened, { message: 'its answer was lost' })
  await until('the end of the connection', () => agent.connections === 0)
  t.same(agent.assignments, [])
})

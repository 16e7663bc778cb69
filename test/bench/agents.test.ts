import t from 'tap'
import { createAgentDelivery } from '../../src/delivery/agent-delivery.ts'
import { loadSigningKeys } from '../../src/delivery/signing-keys.ts'
import { newAssignment, newKeyPair, privateSet, publicSet } from '../agent/contract-fixture.ts'
import { startAgents } from './agents.ts'

/** The agents of the benches must refuse what a real one refuses, or the benches would measure nothing. */
void t.test('played agents keep the contract', async (t) => {
  const pair = newKeyPair('k1')
  const agents = await startAgents({ count: 2, assignKeys: publicSet(pair) })
  t.teardown(() => agents.close())
  const [ip = '', other = ''] = agents.addresses
  agents.place([
    { ip, uid: 'uid-1' },
    { ip: other, uid: 'uid-2' },
  ])
  const delivery = createAgentDelivery({ keys: await loadSigningKeys(privateSet(pair)) })
  const pod = { uid: 'uid-1', name: 'pod-1', ip, assignKeyIds: ['k1'] }
  const assignment = newAssignment({ podUid: 'uid-1', sessionId: 's-1', epoch: 1 })
  const assign = (to: typeof pod, what: typeof assignment) => delivery.assign(to, what, 5_000)

  t.match(await assign(pod, assignment), {
    kind: 'accepted',
    echo: { podUid: 'uid-1', sessionId: 's-1', epoch: 1 },
  })
  t.match(await assign(pod, assignment), { kind: 'accepted' }, 'the same again')
  t.match(await assign(pod, { ...assignment, epoch: 2 }), { reason: 'status 409 AGENT_OTHER_SESSION' })
  t.match(
    await assign({ ...pod, ip: other }, { ...assignment, podUid: 'uid-1' }),
    { reason: 'status 401 AGENT_UNAUTHENTICATED' },
    'meant for the pod at another address',
  )
  const stranger = createAgentDelivery({ keys: await loadSigningKeys(privateSet(newKeyPair('k1'))) })
  t.match(
    await stranger.assign({ ...pod, ip: other, uid: 'uid-2' }, { ...assignment, podUid: 'uid-2' }, 5_000),
    { reason: 'status 401 AGENT_UNAUTHENTICATED' },
    'signed with a key that only has the same name',
  )
  t.same(agents.tally(), { held: 1, refused: 3 })
  const order = { sessionId: 's-1', epoch: 1, reason: 'ended:caller' }
  t.match(await delivery.end(pod, order), { kind: 'accepted' })
  t.match(await assign(pod, assignment), { reason: 'status 409 AGENT_ENDING' })
  agents.reset()
  t.match(await assign(pod, { ...assignment, sessionId: 's-2' }), { kind: 'accepted' }, 'fresh again')
})

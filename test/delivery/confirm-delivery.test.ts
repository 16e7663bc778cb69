import t from 'tap'
import { createAgentDelivery } from '../../src/delivery/agent-delivery.ts'
import { loadSigningKeys } from '../../src/delivery/signing-keys.ts'
import type { AssignmentEcho } from '../../src/domain/assignment.ts'
import {
  newAssignment,
  newKeyPair,
  newRecipient,
  podUid,
  privateSet,
  startHttp,
} from '../agent/contract-fixture.ts'

const pair = newKeyPair('k1')
const keys = await loadSigningKeys(privateSet(pair))
const assignment = newAssignment()
const echo: AssignmentEcho = { podUid, sessionId: assignment.sessionId, epoch: assignment.epoch }

void t.test('a pod is asked to confirm, and only its own word is a denial', async (t) => {
  const answers = [
    { status: 200, body: JSON.stringify(echo), kind: 'held' },
    { status: 404, body: '{"code":"AGENT_UNASSIGNED"}', kind: 'denied' },
    { status: 404, body: '{"code":"AGENT_NOT_FOUND"}', kind: 'denied' },
    { status: 404, body: 'no upstream', kind: 'unknown' },
    { status: 503, body: '', kind: 'unknown' },
    { status: 200, body: JSON.stringify({ ...echo, epoch: 2 }), kind: 'unknown' },
  ]
  const question = { sessionId: assignment.sessionId, epoch: 1, seal: true }
  for (const { status, body, kind } of answers) {
    const port = await startHttp(t, (request, response, asked) => {
      t.equal(request.url, '/confirm')
      t.same(JSON.parse(asked), question)
      response.statusCode = status
      response.end(body)
    })
    t.match(await createAgentDelivery({ keys, port }).confirm(newRecipient(), question), { kind })
  }
})

void t.test('an acknowledgement says whether its agent confirms', async (t) => {
  const port = await startHttp(t, (_request, response) =>
    response.end(JSON.stringify({ ...echo, confirms: true })),
  )
  t.same(await createAgentDelivery({ keys, port }).assign(newRecipient(), assignment, 5_000), {
    kind: 'accepted',
    echo: { ...echo, confirms: true },
  })
})

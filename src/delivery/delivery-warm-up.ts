import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Assignment } from '../domain/assignment.ts'
import { createAgentDelivery } from './agent-delivery.ts'
import type { AssignKeys } from './signing-keys.ts'

/** The engine has compiled the way of a delivery by then; twice as many gained nothing that could be measured. */
const times = 40
const deadlineMs = 2_000

/**
 * Delivers to a stand-in on loopback before the first caller comes, so that nobody pays for code that has never run:
 * without it the first dozens of deliveries after a start take two to three times as long. Not a check of anything: what
 * comes of it is not looked at, for a replica that could not rehearse serves as well.
 */
export async function rehearseDelivery(keys: AssignKeys): Promise<void> {
  const pod = { uid: 'rehearsal', name: 'rehearsal', ip: '127.0.0.1', assignKeyIds: keys.kids }
  const server = createServer((request, response) => {
    request.resume()
    request.on('end', () => {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ podUid: pod.uid, sessionId: pod.uid, epoch: 1 }))
    })
  })
  server.listen(0, pod.ip)
  await once(server, 'listening')
  const delivery = createAgentDelivery({ keys, port: (server.address() as AddressInfo).port })
  const assignment: Assignment = {
    sessionId: pod.uid,
    epoch: 1,
    podUid: pod.uid,
    agentType: pod.uid,
    room: pod.uid,
    sessionToken: pod.uid,
    leaseMs: 1_000,
  }
  try {
    for (let time = 0; time < times; time += 1) await delivery.assign(pod, assignment, deadlineMs)
  } finally {
    server.close()
  }
}

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Assignment } from '../domain/assignment.ts'
import { createAgentDelivery } from './agent-delivery.ts'
import type { SigningKeys } from './signing-keys.ts'

/** By then the engine has compiled the code of a delivery; twice as many gained nothing that could be measured. */
const times = 40
const deadlineMs = 2_000

/**
 * Delivers to a stand-in on loopback before the first caller comes. Without it the first dozens of deliveries after a
 * start take two to three times as long, because their code has never run. It checks nothing and its outcomes are
 * ignored: a replica that could not warm up serves as well.
 */
export async function warmUpDeliveries(keys: SigningKeys): Promise<void> {
  const pod = { uid: 'warm-up', name: 'warm-up', ip: '127.0.0.1', assignKeyIds: keys.kids }
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

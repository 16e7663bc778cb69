import { until } from '../../bed/processes/until.ts'
import { createAgentDelivery } from '../../src/delivery/agent-delivery.ts'
import { loadSigningKeys } from '../../src/delivery/signing-keys.ts'
import type { AgentPod } from '../../src/domain/agent-pod.ts'
import type { AgentDelivery } from '../../src/domain/cluster-ports.ts'
import type { Session } from '../../src/domain/session.ts'
import type { OpenRequest } from '../../src/domain/session-request.ts'
import { GreenroomError } from '../../src/errors.ts'
import { createPostgres } from '../../src/stores/postgres-client.ts'
import { createPostgresReplicaLiveness } from '../../src/stores/postgres-replica-liveness.ts'
import { createPostgresSessionStore } from '../../src/stores/postgres-session-store.ts'
import { createRedis } from '../../src/stores/redis-client.ts'
import { newKeyPair, privateSet } from '../agent/contract-fixture.ts'
import { openAll as openBatchOf } from '../sessions/open-batch-bed.ts'
import { startReplica } from '../sessions/open-bed.ts'
import { indexOn } from '../stores/store-servers.ts'
import { type ClaimStep, createStepGate, heldDelivery, heldStore } from './claim-steps.ts'
import { createFakePodView } from './fake-pod-view.ts'
import { silent } from './kept-log.ts'

/** The program of `replica-process.ts`: the use cases of one API replica in a process that can be stopped, stalled and killed. */

export interface ReplicaSettings {
  readonly name: string
  readonly databaseUrl: string
  readonly redisUrl: string
  readonly pods: readonly AgentPod[]
  readonly agentPort: number
}

export type ReplicaOrder =
  | {
      readonly kind: 'open'
      readonly call: number
      readonly request: Partial<OpenRequest>
      readonly key?: string
    }
  /** A batch, all of it or none. */
  | {
      readonly kind: 'open-all'
      readonly call: number
      readonly requests: OpenRequest[]
      readonly key: string
    }
  | { readonly kind: 'hold' | 'release'; readonly step: ClaimStep }
  /** Keeps the event loop busy, beginning `afterMs` after the next delivery was sent. */
  | { readonly kind: 'stall'; readonly afterMs: number; readonly ms: number }

export type ReplicaReport =
  | { readonly kind: 'ready' }
  | { readonly kind: 'held'; readonly step: ClaimStep }
  | { readonly kind: 'stalled' }
  | {
      readonly kind: 'opened'
      readonly call: number
      readonly session: Session
      readonly replayed: boolean
    }
  | { readonly kind: 'refused'; readonly call: number; readonly code: string }

const report = (message: ReplicaReport): void => void process.send?.(message)
const settings = JSON.parse(process.argv[2] ?? '') as ReplicaSettings

const postgres = createPostgres(settings.databaseUrl, silent, 10)
const redis = createRedis(settings.redisUrl, silent)
await until('redis connection', () => redis.status === 'ready')
const pods = createFakePodView()
for (const pod of settings.pods) pods.set(pod)
const gate = createStepGate((step) => report({ kind: 'held', step }))
let stall: Extract<ReplicaOrder, { kind: 'stall' }> | undefined

function busy(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
  report({ kind: 'stalled' })
}

/** Stalls the whole process in the middle of a delivery when told to. */
function stallable(delivery: AgentDelivery): AgentDelivery {
  return {
    ...delivery,
    assign(pod, assignment, deadlineMs) {
      const outcome = delivery.assign(pod, assignment, deadlineMs)
      if (stall) {
        const { afterMs, ms } = stall
        // Not in the timer itself: after a timer Node polls before it runs the next timers.
        if (afterMs === 0) setImmediate(busy, ms)
        else setTimeout(() => setImmediate(busy, ms), afterMs)
      }
      stall = undefined
      return outcome
    },
  }
}

const delivery = createAgentDelivery({
  keys: await loadSigningKeys(privateSet(newKeyPair('k1'))),
  port: settings.agentPort,
})
const replica = await startReplica({
  name: settings.name,
  agents: { pods, port: settings.agentPort },
  sessions: heldStore(createPostgresSessionStore(postgres), gate),
  index: indexOn(redis),
  delivery: heldDelivery(stallable(delivery), gate),
})
const liveness = createPostgresReplicaLiveness(postgres)

async function open(order: Extract<ReplicaOrder, { kind: 'open' }>): Promise<void> {
  const { call, request, key } = order
  try {
    const { session, replayed } = await replica.open(request, { idempotencyKey: key })
    report({ kind: 'opened', call, session, replayed })
  } catch (error) {
    if (!(error instanceof GreenroomError)) throw error
    report({ kind: 'refused', call, code: error.code })
  }
}

async function openAll({ call, requests, key }: Extract<ReplicaOrder, { kind: 'open-all' }>): Promise<void> {
  try {
    const [first] = await openBatchOf(replica, requests, { idempotencyKey: key })
    if (first) report({ kind: 'opened', call, session: first.session, replayed: first.replayed })
  } catch (error) {
    if (!(error instanceof GreenroomError)) throw error
    report({ kind: 'refused', call, code: error.code })
  }
}

process.on('message', (order: ReplicaOrder) => {
  if (order.kind === 'open') void open(order)
  else if (order.kind === 'open-all') void openAll(order)
  else if (order.kind === 'stall') stall = order
  else gate[order.kind](order.step)
})
// As a replica does; its cold opens stay its own as long as it does.
setInterval(() => void liveness.note(settings.name).catch(() => undefined), 1_000)
report({ kind: 'ready' })

import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { Test } from 'tap'
import { freePort } from '../../bed/servers/free-port.ts'
import { createAgentDelivery } from '../../src/delivery/agent-delivery.ts'
import { loadSigningKeys } from '../../src/delivery/signing-keys.ts'
import { type Assignment, type ConfirmQuestion, confirmPath } from '../../src/domain/assignment.ts'
import type { AgentDelivery, PodView } from '../../src/domain/cluster-ports.ts'
import type { SlotIndex, Wake } from '../../src/domain/index-ports.ts'
import { checkPools, type PoolsDocument } from '../../src/domain/pool.ts'
import type { ProjectLimitStore, ProjectQuotas } from '../../src/domain/project-limits.ts'
import type { RoomAccess } from '../../src/domain/room-ports.ts'
import type { SessionStore } from '../../src/domain/session-ports.ts'
import type { OpenRequest } from '../../src/domain/session-request.ts'
import type { Logger } from '../../src/logging.ts'
import { createMetrics } from '../../src/metrics.ts'
import type { OpenContext } from '../../src/sessions/opening.ts'
import { createSessionApi } from '../../src/sessions/session-api.ts'
import { newKeyPair, privateSet } from '../agent/contract-fixture.ts'
import { createFakePodView, readyPod } from '../support/fake-pod-view.ts'
import { silent } from '../support/kept-log.ts'
import { memoryProjectLimits, noProjectQuotas } from '../support/memory-project-limits.ts'
import { memoryRevisions } from '../support/memory-revisions.ts'

/** Agents as real HTTP servers on loopback addresses of their own, and replicas of the use case over real stores. */

export const agentType = 'echo-agent'
const keyPair = newKeyPair('k1')

/**
 * `refuse-first`: refuses once and accepts then, as after a network fault. `mute`: accepts, and its answer is lost. `old`:
 * accepts, and cannot be asked later whether it did. `deaf`: answers nothing.
 */
export type AgentMood = 'accept' | 'refuse' | 'refuse-first' | 'mute' | 'old' | 'deaf'

export interface FakeAgent {
  readonly uid: string
  readonly ip: string
  mood: AgentMood
  readonly assignments: Assignment[]
  /** The assignment it took. */
  serving: Assignment | undefined
  /** Connections that were made to it, and those of them that are open. */
  connected: number
  connections: number
  /** What it was asked to confirm. */
  readonly questions: ConfirmQuestion[]
  /** It was told that it has no session, and takes none any more. */
  sealed: boolean
}

/** Pods `prefix-0`, `prefix-1`, …; each answers POST /assign at an address of its own. */
export async function startAgents(t: Test, count: number, prefix = 'pod') {
  const ports = await freePort()
  const agents = new Map<string, FakeAgent>()
  const pods = createFakePodView()
  const servers: Server[] = []
  for (let n = 0; n < count; n += 1) {
    const ip = `127.77.${1 + Math.floor(n / 250)}.${1 + (n % 250)}`
    const agent: FakeAgent = {
      uid: `${prefix}-${n}`,
      ip,
      mood: 'accept',
      assignments: [],
      serving: undefined,
      connected: 0,
      connections: 0,
      questions: [],
      sealed: false,
    }
    agents.set(agent.uid, agent)
    pods.set(readyPod({ uid: agent.uid, ip }))
    servers.push(serve(agent).listen(ports, ip))
  }
  await Promise.all(servers.map((server) => once(server, 'listening')))
  t.teardown(() => {
    for (const server of servers) {
      server.close()
      server.closeAllConnections()
    }
  })
  return {
    pods,
    agents,
    port: ports,
    delivery: createAgentDelivery({ keys: await loadSigningKeys(privateSet(keyPair)), port: ports }),
    all: () => [...agents.values()],
    agent(uid: string): FakeAgent {
      const agent = agents.get(uid)
      if (!agent) throw new Error(`no agent ${uid}`)
      return agent
    },
    slots: () => [...agents.keys()].map((podUid, rank) => ({ podUid, rank })),
  }
}

export type Agents = Awaited<ReturnType<typeof startAgents>>

function serve(agent: FakeAgent): Server {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      if (agent.mood === 'deaf') return response.destroy()
      const body: unknown = JSON.parse(Buffer.concat(chunks).toString())
      if (request.url === confirmPath) {
        response.statusCode = confirms(agent, body as ConfirmQuestion) ? 200 : 404
        return response.end(JSON.stringify({ ...agent.serving, code: 'AGENT_UNASSIGNED' }))
      }
      const assignment = body as Assignment
      agent.assignments.push(assignment)
      const { sessionId, epoch, podUid } = assignment
      const isOther =
        agent.serving && (agent.serving.sessionId !== sessionId || agent.serving.epoch !== epoch)
      const refuses = agent.mood === 'refuse' || agent.sealed || isOther || podUid !== agent.uid
      if (agent.mood === 'refuse-first' || refuses) {
        if (agent.mood === 'refuse-first') agent.mood = 'accept'
        response.statusCode = 409
        return response.end(JSON.stringify({ code: 'AGENT_BUSY' }))
      }
      agent.serving = assignment
      if (agent.mood === 'mute') return undefined
      return response.end(JSON.stringify({ podUid, sessionId, epoch, confirms: agent.mood !== 'old' }))
    })
  })
  server.on('connection', (socket) => {
    agent.connected += 1
    agent.connections += 1
    socket.once('close', () => {
      agent.connections -= 1
    })
  })
  return server
}

function confirms(agent: FakeAgent, question: ConfirmQuestion): boolean {
  agent.questions.push(question)
  if (question.seal && !agent.serving) agent.sealed = true
  return agent.serving?.sessionId === question.sessionId && agent.serving.epoch === question.epoch
}

export function poolsOf(yaml: string): PoolsDocument {
  const checked = checkPools(yaml)
  if (!checked.ok) throw new Error(checked.problems.join('; '))
  return checked.value
}

const defaultPools = poolsOf(
  `pools: {${agentType}: {template: {image: echo}, min: 1, max: 1000, waitMs: 2000}}`,
)

interface ReplicaOptions {
  readonly name?: string
  readonly agents: Pick<Agents, 'pods' | 'port'>
  readonly sessions: SessionStore
  readonly index: SlotIndex
  readonly pools?: PoolsDocument
  /** Whether the pools were read already; yes unless given. */
  readonly knowsPools?: () => boolean
  readonly delivery?: AgentDelivery
  /** As if the pool had so many pods: those that the test did not start are warming. */
  readonly poolSize?: number
  readonly roomAccess?: RoomAccess
  readonly projectLimits?: ProjectLimitStore
  readonly projectQuotas?: ProjectQuotas
  readonly logger?: Logger
  /** Monotonic ms. */
  readonly now?: () => number
}

/** The secret of all replicas; makes session ids of keys, and session tokens. */
export const hmacSecret = 'a secret of at least thirty-two bytes'

/** One API replica's way to open sessions, as the role composes it. */
export async function startReplica(options: ReplicaOptions) {
  const { agents, sessions, index, pools = defaultPools, logger = silent, name = 'api-1' } = options
  const keys = await loadSigningKeys(privateSet(keyPair))
  const draining = new AbortController()
  const wakes = createWakes()
  const metrics = createMetrics()
  const sessionApi = createSessionApi({
    sessions,
    ledger: { claimsOf: async () => new Map(), slotClaims: async () => new Map() },
    index,
    notices: { post: async () => {}, read: async () => undefined },
    poolRevisions: memoryRevisions().port,
    projectLimits: options.projectLimits ?? memoryProjectLimits(),
    projectQuotas: options.projectQuotas ?? noProjectQuotas,
    timelines: { course: async () => undefined },
    usage: { coverage: () => Promise.reject(new Error('not asked')), sums: async () => [] },
    wakes,
    pods: options.poolSize === undefined ? agents.pods.view : viewOfSize(agents.pods.view, options.poolSize),
    pools: {
      current: () => (options.knowsPools?.() === false ? undefined : pools),
      status: () => ({ seen: '1', applied: '1', problems: undefined }),
      onChange: () => () => {},
    },
    // What closes a connection that was opened ahead is PostgreSQL's answer, and not its time.
    delivery: options.delivery ?? createAgentDelivery({ keys, port: agents.port, preparedForMs: 300_000 }),
    roomAccess: options.roomAccess,
    hmacSecret,
    apiUrl: undefined,
    replica: name,
    draining: draining.signal,
    metrics,
    logger,
    now: options.now ?? (() => performance.now()),
  })
  const { openSession, adoptOrphans, handOver, activationsDone, projectLimits } = sessionApi
  return {
    sessionApi,
    adoptOrphans,
    handOver,
    activationsDone,
    projectLimits,
    draining,
    published: wakes.published,
    metrics,
    /** As when another process has put slots into the index. */
    tellIndexed: () => wakes.deliver({ kind: 'indexed', agentType }),
    tell: (wake: Wake) => wakes.deliver(wake),
    open: (request: Partial<OpenRequest> = {}, context: Partial<OpenContext> = {}) =>
      openSession(
        { agentType, onEmpty: 'fail', ...request },
        { idempotencyKey: undefined, signal: new AbortController().signal, logger, ...context },
      ),
  }
}

/** Keeps what this replica publishes, and delivers what other processes would. */
function createWakes() {
  const published: Wake[] = []
  const listeners = new Set<(wake: Wake) => void>()
  return {
    published,
    publish: (wake: Wake) => void published.push(wake),
    subscribe(listener: (wake: Wake) => void) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    deliver(wake: Wake) {
      for (const listener of listeners) listener(wake)
    },
  }
}

function viewOfSize(view: PodView, size: number): PodView {
  const warming = Array.from({ length: size }, (_, n) =>
    readyPod({ uid: `warming-${n}`, readySince: undefined }),
  )
  return {
    ...view,
    byPool: (type) => {
      const pods = view.byPool(type)
      return type === agentType ? [...pods, ...warming.slice(pods.length)] : pods
    },
  }
}

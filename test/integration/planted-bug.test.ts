import { randomInt } from 'node:crypto'
import t, { type Test } from 'tap'
import type { AgentDelivery } from '../../src/domain/cluster-ports.ts'
import type { SessionStore } from '../../src/domain/session-ports.ts'
import { GreenroomError } from '../../src/errors.ts'
import { createPostgresSessionStore } from '../../src/stores/postgres-session-store.ts'
import { agentType, startAgents, startReplica } from '../sessions/open-bed.ts'
import { indexOn, postgresFor, redisFor, startDatabase, startIndexServer } from '../stores/store-servers.ts'
import { createHistory, type Outcome } from '../support/history.ts'
import { brokenInvariantsNow } from '../support/invariants.ts'
import { violationsOf } from '../support/linearizability.ts'
import { notePods } from '../support/noted-pods.ts'
import { unasked } from '../support/nothing-unsettled.ts'

/**
 * Is the judge of the fault tests worth anything? The same storm twice, while the index is wiped and built again from a
 * view that knows no claims: once with PostgreSQL as the arbiter, once with a store that trusts the index instead. The
 * agents accept whatever they are given, so that nothing but the arbiter stands between two sessions and one pod.
 */

const database = await startDatabase(t)
const redisServer = await startIndexServer(t)

const credulous: AgentDelivery = {
  ...unasked,
  assign: async (_pod, { podUid, sessionId, epoch }) => ({
    kind: 'accepted',
    echo: { podUid, sessionId, epoch },
  }),
  end: async (_pod, { sessionId, epoch }) => ({ kind: 'accepted', echo: { podUid: '', sessionId, epoch } }),
}

type Postgres = Awaited<ReturnType<typeof postgresFor>>

/** The bug: that the pod is taken, or was never noted, does not matter, for the index has just proposed it. */
function trustingTheIndex(sessions: SessionStore, postgres: Postgres): SessionStore {
  return {
    ...sessions,
    async commitOpen(record) {
      const outcome = await sessions.commitOpen(record)
      if (outcome.kind !== 'pod-taken' && outcome.kind !== 'pod-not-noted') return outcome
      const { id, agentType: type, roomName, room, epoch, pod, warm, leaseMs, maxSessionMs } = record
      await postgres.durable.query(
        `INSERT INTO sessions (id, status, agent_type, room_name, room, epoch, pod_uid, pod_name, pod_ip, warm, lease_ms,
           lease_expires_at, max_ends_at)
         VALUES ($1, 'PENDING', $2, $3, $4, $5, $6, $7, $8, $9, $10::integer, now() + $10::integer * interval '1 ms',
           now() + $11::integer * interval '1 ms')`,
        [id, type, roomName, room, epoch, pod.uid, pod.name, pod.ip, warm, leaseMs, maxSessionMs],
      )
      const session = await sessions.get(id)
      if (!session) throw new Error('the row that was just written is not there')
      return { kind: 'committed', session }
    },
  }
}

const pods = 60
/** Somebody else's pod with the labels of the pool: first in the index, and not noted. */
const stranger = 'pod-0'
const callers = 12
const opensOfCaller = 8

/** The history of callers that open, renew and end over three replicas while the index is wrong all the time. */
async function storm(t: Test, plant: (sessions: SessionStore, postgres: Postgres) => SessionStore) {
  const agents = await startAgents(t, pods)
  const url = await database.fresh()
  const own = await redisFor(t, redisServer.url)
  await own.flushall()
  const index = indexOn(own)
  await index.rebuild(agentType, agents.slots())
  const arbiter = await postgresFor(t, database, { url })
  await notePods(
    arbiter,
    [...agents.agents.keys()].filter((uid) => uid !== stranger),
  )
  // Said twice in the schema; the bug has to get past both.
  if (plant !== asIs) await arbiter.durable.query('DROP INDEX sessions_live_pod')
  const replicas = await Promise.all(
    ['api-1', 'api-2', 'api-3'].map(async (name) => {
      const postgres = await postgresFor(t, database, { url })
      const sessions = plant(createPostgresSessionStore(postgres), postgres)
      const ownIndex = indexOn(await redisFor(t, redisServer.url))
      const replica = await startReplica({ name, agents, sessions, index: ownIndex, delivery: credulous })
      return { open: replica.open, sessions }
    }),
  )
  const history = createHistory()
  const done = new AbortController()
  const wiping = wipe(done.signal)
  await Promise.all(Array.from({ length: callers }, (_, caller) => call(caller)))
  done.abort()
  await wiping
  const target = { databaseUrl: url, redisUrl: redisServer.url, pods: agents.pods.view }
  const broken = (await brokenInvariantsNow(target)).filter(({ kind }) => kind === 'pod-not-noted-in-use')
  const { rowCount } = await arbiter.durable.query('SELECT FROM sessions WHERE pod_uid = $1', [stranger])
  return { entries: history.entries(), strangersSessions: rowCount ?? 0, broken }

  async function wipe(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      history.fault('index wiped and built from pods that are all called idle')
      await own.flushall()
      await index.rebuild(agentType, agents.slots())
    }
  }

  async function call(caller: number): Promise<void> {
    for (let turn = 0; turn < opensOfCaller; turn += 1) {
      const replica = replicas[randomInt(replicas.length)] as (typeof replicas)[number]
      const key = `k${caller}-${turn}`
      const opened = history.invoke(caller, { kind: 'open', key })
      const outcome = await replica
        .open({}, { idempotencyKey: key })
        .then(({ session }): Outcome => ({ type: 'ok', answer: answerOf(session) }), refusalOf)
      opened(outcome)
      if (outcome.type !== 'ok') continue
      const { session, epoch } = outcome.answer
      const renewed = history.invoke(caller, { kind: 'renew', session, epoch })
      renewed(await transition(replica.sessions.renew(session, epoch)))
      if (turn % 2 === 0) continue
      const ended = history.invoke(caller, { kind: 'end', session, epoch })
      ended(await transition(replica.sessions.beginEnding(session, 'ended:caller', epoch)))
    }
  }
}

const asIs = (sessions: SessionStore) => sessions

function answerOf({
  id,
  pod,
  epoch,
  status,
}: {
  id: string
  pod: { uid: string } | undefined
  epoch: number
  status: string
}) {
  return { session: id, pod: pod?.uid ?? '', epoch, live: status === 'PENDING' || status === 'ACTIVE' }
}

function refusalOf(error: unknown): Outcome {
  if (!(error instanceof GreenroomError)) throw error
  return { type: error.code === 'GRN_DATABASE_UNAVAILABLE' ? 'unknown' : 'fail', code: error.code }
}

async function transition(asked: ReturnType<SessionStore['renew']>): Promise<Outcome> {
  try {
    const outcome = await asked
    if (outcome.kind === 'done') return { type: 'ok', answer: answerOf(outcome.session) }
    return { type: 'fail', code: outcome.kind === 'over' ? 'GRN_SESSION_OVER' : outcome.kind }
  } catch (error) {
    return refusalOf(error)
  }
}

void t.test(
  'with PostgreSQL as the arbiter the history is linearizable, however wrong the index is',
  async (t) => {
    const { entries, strangersSessions } = await storm(t, asIs)
    t.same(violationsOf(entries), [])
    const opened = entries.filter((entry) => entry.type === 'ok').length
    const wiped = entries.filter((entry) => entry.type === 'fault').length
    t.comment(`${opened} answers, index wiped ${wiped} times`)
    t.ok(opened >= pods, 'the pool was used up')
    t.equal(strangersSessions, 0, 'a pod that nobody noted serves nobody, however often it is proposed')
  },
)

void t.test('a store that trusts the index is found out by the history of its callers', async (t) => {
  const { entries, strangersSessions, broken } = await storm(t, trustingTheIndex)
  const violations = violationsOf(entries)
  t.ok(violations.length > 0, 'a pod was given twice and the checker saw it')
  t.comment(violations[0]?.calls.slice(0, 4).join('\n'))
  t.ok(violations.every(({ kind }) => kind === 'not-linearizable'))
  t.ok(strangersSessions > 0)
  t.ok(
    broken.some(({ subject }) => subject === stranger),
    'and the invariants find the session on a pod that nobody noted',
  )
})

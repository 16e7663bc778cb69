import fc from 'fast-check'
import t, { type Test } from 'tap'
import { sessionTransitions } from '../../src/domain/session.ts'
import { slotTransitions } from '../../src/domain/slot.ts'
import { createPostgresClaimLedger } from '../../src/stores/postgres-claim-ledger.ts'
import { createPostgresPoolPods } from '../../src/stores/postgres-pool-pods.ts'
import { createPostgresSessionStore } from '../../src/stores/postgres-session-store.ts'
import { indexOn, postgresFor, redisFor, startDatabase, startIndexServer } from '../stores/store-servers.ts'
import { notePods } from '../support/noted-pods.ts'
import { type ModelState, movesSeen, newState } from './claim-model.ts'
import { claimCommand, type ModelHolder, type Step, steps } from './claim-model-commands.ts'
import { createRealSide, podNames } from './claim-model-real-side.ts'

/** Operations on a pure model, on the scripts in Redis and on the SQL in PostgreSQL: all three agree after each. */

const database = await startDatabase(t)
const redisServer = await startIndexServer(t)

/** Some 0.15 s each on an idle machine. */
const runs = 60
const mostCommands = 60

async function realSide(t: Test) {
  const postgres = await postgresFor(t, database)
  const other = await postgresFor(t, database, { url: postgres.url })
  await notePods(postgres, [])
  const redis = await redisFor(t, redisServer.url)
  const real = createRealSide({
    postgres,
    redis,
    index: indexOn(redis),
    stores: [createPostgresSessionStore(postgres), createPostgresSessionStore(other)],
    ledger: createPostgresClaimLedger(postgres),
    poolPods: createPostgresPoolPods(postgres),
  })
  return { postgres, real }
}

/** All pods are Ready but `f`, which is still starting. All are noted but `g`. */
function firstState(): ModelState {
  const state = newState()
  for (const pod of podNames) {
    const isReady = pod !== 'f'
    state.pods.set(pod, { isReady, isDeleting: false, isDead: false })
    state.slots.set(pod, isReady ? 'ready' : 'warming')
    if (pod !== 'g') state.noted.add(pod)
  }
  return state
}

void t.test('random operations, also several at a time over two replicas', async (t) => {
  const { postgres, real } = await realSide(t)
  await fc.assert(
    fc.asyncProperty(fc.commands([claimCommand], { maxCommands: mostCommands, size: 'max' }), (commands) =>
      fc.asyncModelRun(async () => {
        const model: ModelHolder = { state: firstState() }
        await real.reset(model.state.pods, model.state.noted)
        return { model, real }
      }, commands),
    ),
    { numRuns: runs },
  )
  const { rows } = await postgres.durable.query(
    'SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()',
  )
  t.strictSame(rows, [{ deadlocks: 0 }])
})

const { store, index, pod, time } = steps
const open = (s: string, uid: string) => store({ op: 'open', s, pod: uid, epoch: 1, lease: 'both' })
const end = (s: string) => store({ op: 'end', s, epoch: undefined })
const retire = (...pods: string[]) => store({ op: 'retire', pods })
const reserve = (s: string) => index({ op: 'reserve', s, attempt: 1 })
const rebuild = (...pods: string[]) => index({ op: 'rebuild', pods })

/** Each way of a slot and of a session once, and what chance brings seldom. */
const plays: readonly (readonly Step[])[] = [
  [
    pod('podReady', 'f'),
    pod('podUnready', 'f'),
    pod('podDies', 'f'),
    pod('podDeleted', 'f'),
    pod('podGone', 'f'),
  ],
  [retire('f', 'a'), pod('podDies', 'b'), pod('podGone', 'b'), pod('podGone', 'c'), open('s1', 'd')],
  [
    pod('podGone', 'f'),
    open('s1', 'a'),
    pod('podGone', 'a'),
    open('s2', 'b'),
    end('s2'),
    pod('podDies', 'b'),
  ],
  [open('s1', 'f'), pod('podDies', 'f')],
  [
    rebuild('a', 'b', 'c', 'd'),
    reserve('s1'),
    index({ op: 'giveBack', s: 's1', pod: 'a' }),
    reserve('s1'),
    pod('podUnready', 'a'),
    pod('podReady', 'a'),
    open('s1', 'a'),
    reserve('s2'),
    pod('podDies', 'b'),
    reserve('s3'),
    pod('podGone', 'c'),
  ],
  [rebuild('a'), reserve('s1'), retire('a')],
  [
    open('s1', 'a'),
    store({ op: 'activate', s: 's1', epoch: 1 }),
    end('s1'),
    store({ op: 'finish', s: 's1' }),
    open('s2', 'b'),
    store({ op: 'fail', s: 's2', epoch: 1 }),
    store({ op: 'reopen', s: 's2', from: 1, oldPod: 'b', pod: 'c', epoch: 2, lease: 'both' }),
    end('s2'),
  ],
  // A pod that nobody noted is proposed and taken by nobody; noted, it is a pod like any other.
  [
    rebuild('g'),
    reserve('s1'),
    open('s1', 'g'),
    open('s1', 'a'),
    store({ op: 'next', s: 's1', from: 1, oldPod: 'a', pod: 'g', epoch: 2 }),
    store({ op: 'fail', s: 's1', epoch: 1 }),
    store({ op: 'reopen', s: 's1', from: 1, oldPod: 'a', pod: 'g', epoch: 2, lease: 'both' }),
    store({ op: 'note', pods: ['g'] }),
    store({ op: 'reopen', s: 's1', from: 1, oldPod: 'a', pod: 'g', epoch: 2, lease: 'both' }),
  ],
  [pod('podDies', 'f'), retire('f')],
  [open('s1', 'a'), end('s1'), store({ op: 'finish', s: 's1' }, { op: 'purge' })],
  [open('s1', 'a'), store({ op: 'undo', s: 's1', epoch: 1, pod: 'a' }, { op: 'purge' }), open('s1', 'b')],
  [
    open('s1', 'a'),
    time({ op: 'leasePasses', s: 's1' }),
    store({ op: 'renew', s: 's1', epoch: 1, byAgent: true }, { op: 'reap' }),
  ],
  [
    rebuild('a'),
    reserve('s1'),
    open('s1', 'a'),
    store({ op: 'undo', s: 's1', epoch: 1, pod: 'a' }),
    open('s2', 'b'),
    store({ op: 'undo', s: 's2', epoch: 1, pod: 'b' }),
    open('s3', 'f'),
    store({ op: 'undo', s: 's3', epoch: 1, pod: 'f' }),
  ],
].map((play) => play.flat())

void t.test('every entry of the two tables is used, and nothing beside them', async (t) => {
  const { real } = await realSide(t)
  for (const play of plays) {
    const model = { state: firstState() }
    await real.reset(model.state.pods, model.state.noted)
    for (const step of play) await step.run(model, real)
  }
  for (const [table, seen] of [
    [slotTransitions, movesSeen.slot],
    [sessionTransitions, movesSeen.session],
  ] as const) {
    const entries = Object.entries(table).flatMap(([from, tos]) => tos.map((to: string) => `${from} → ${to}`))
    t.strictSame(seen, new Set(entries))
  }
})

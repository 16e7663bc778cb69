import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import { startBed } from '../../bed/bed.ts'
import { until } from '../../bed/processes/until.ts'
import { runProgram } from '../support/run-program.ts'
import { agentType, createSessionCaller } from './session-caller.ts'

/** Pools that size themselves, on the real servers: what callers ask for is what the controller decides by. */

t.setTimeout(400_000)
/** As slow as an agent that loads something: the load must be able to change within one start. */
const echo = { image: 'greenroom:0.1.0', command: ['sh', '-c', 'sleep 4; exec node src/agent/echo-agent.ts'] }
/** A pool of its own, so that its window can begin while the other one is loaded. */
const windowed = 'stella-light'
let beside: object = {}
const poolOf = (settings: object) =>
  JSON.stringify({
    pools: {
      [agentType]: { template: echo, min: 1, max: 12, waitMs: 30_000, ...settings },
      ...beside,
    },
  })
const hitRate = { target: 0.95 }

const bed = await startBed({ pools: poolOf({ sizing: { hitRate } }) })
const caller = createSessionCaller(bed)
const { client, setPools } = caller
t.teardown(async () => {
  client.close()
  await bed.stop()
})
const pool = async () => (await client.pool(agentType)).body
const targetOf = async () => (await pool()).sizing?.target ?? 0
await until('the first pod', async () => (await pool()).ready >= 1, 60_000)
await caller.allowEchoIn(windowed)

// Of a new template one pod is tried first, so that the window's pods take one start.
beside = { [windowed]: { template: echo, min: 1, max: 8 } }
await setPools(poolOf({ sizing: { hitRate } }))
await until('the other pool', async () => (await client.pool(windowed)).body.ready === 1, 90_000)
// A full minute that no start of the first load comes near.
const start = Math.ceil((Date.now() + 40_000) / 60_000) * 60_000
const cron = `${new Date(start).getUTCMinutes()} ${new Date(start).getUTCHours()} * * *`
const schedule = [{ cron, durationMinutes: 2, min: 6 }]
beside = { [windowed]: { template: echo, min: 1, max: 8, schedule } }
await setPools(poolOf({ sizing: { hitRate } }))
const sixReady = async () => (await client.pool(windowed)).body.ready === 6
const whenItBegan = pause(start - Date.now()).then(async () => {
  const { body } = await client.pool(windowed)
  return { ...body, isFull: await until('all Ready', sixReady).catch(() => false) }
})

/** Callers who come whether or not others were served. */
async function load(perSecond: number, seconds: number): Promise<void> {
  const opens: Promise<unknown>[] = []
  for (let n = 0; n < perSecond * seconds; n += 1) {
    opens.push(
      caller.open({ onEmpty: 'wait' }).then(
        ({ id }) => client.end(id),
        () => undefined,
      ),
    )
    await pause(1_000 / perSecond)
  }
  await Promise.all(opens)
}

/** The largest target, and when it was first above `level`, while something goes on. */
async function watchTarget(level: number, work: Promise<unknown>) {
  const begun = performance.now()
  const stopping = new AbortController()
  let most = 0
  let aboveMs: number | undefined
  const watching = (async () => {
    while (!stopping.signal.aborted) {
      const target = await targetOf()
      most = Math.max(most, target)
      if (target > level) aboveMs ??= performance.now() - begun
      await pause(50)
    }
  })()
  await work
  stopping.abort()
  await watching
  return { most, aboveMs }
}

let grown = 0

void t.test('a load that grows is followed within one start-up time, and held afterwards', async (t) => {
  await load(0.25, 12)
  const quiet = await pool()
  t.match(quiet.sizing, { mode: 'apply', sentence: /idle pods?: / })
  const before = quiet.sizing?.target ?? 0
  const { most, aboveMs = Number.POSITIVE_INFINITY } = await watchTarget(before, load(2.5, 10))
  const { sizing } = await pool()
  const startMs = (sizing?.terms.leadMeanSeconds ?? 0) * 1_000
  t.comment(
    `target ${before} -> ${most}, above after ${Math.round(aboveMs)} ms; a start takes ${Math.round(startMs)} ms`,
  )
  t.comment(sizing?.sentence)
  t.ok(most > before)
  t.ok(aboveMs < startMs)
  grown = await targetOf()
  await until('the pods', async () => (await pool()).ready >= grown, 60_000)
  t.ok(grown > before, `${grown}: what the load needed is held`)
})

void t.test('a window has its pods before it begins', async (t) => {
  const { ready, warming, sizing, isFull } = await whenItBegan
  t.comment(`${ready} of 6 were Ready when it began`)
  // A start that takes longer than those before, as on a loaded machine, is no fault of the plan. Without it there is one pod.
  t.equal(ready + warming, 6)
  t.match(sizing, { target: 6, terms: { schedule: 6, window: `${cron} UTC` } })
  t.ok(isFull, 'and all are Ready soon')
})

void t.test('the next leader keeps the target', async (t) => {
  const before = await pool()
  await bed.roles.get('controller')?.restart('SIGKILL')
  // Each decision has other terms: the rate falls while nobody comes.
  const after = await until(
    'another leader',
    async () => {
      const { sizing } = await pool()
      return JSON.stringify(sizing?.terms) !== JSON.stringify(before.sizing?.terms) && sizing
    },
    60_000,
  )
  t.comment(`${before.sizing?.target} -> ${after.target}: ${after.sentence}`)
  // Without what it was told, it would know no load and no start-up time, and keep the pool of a newcomer.
  t.ok(Math.abs(after.target - (before.sizing?.target ?? 0)) <= 1)
  t.ok(after.terms.claimsPerSecond > 0.05, 'it knows of the claims that another one counted')
})

void t.test('mode recommend shows the target and keeps min', async (t) => {
  await setPools(poolOf({ min: 2, sizing: { mode: 'recommend', hitRate } }))
  await until('the recommendation', async () => (await pool()).sizing?.mode === 'recommend')
  await caller.untilIdle(2)
  const { sizing } = await pool()
  t.equal(sizing?.target, 2)
  t.ok((sizing?.recommended ?? 0) > 2, `${sizing?.recommended}`)
})

void t.test('every decision comes out the same from what was recorded of it', async (t) => {
  const run = (...args: string[]) =>
    runProgram('src/cli/greenroom.ts', ['pools', ...args], { env: { DATABASE_URL: bed.databaseUrl } })
  const replay = await run('replay', '--database')
  t.match(replay, { code: 0, stdout: /^\d+ decisions came out as they were made/ })
  t.match(await run('explain', agentType), { code: 0, stdout: new RegExp(`^${agentType} at .* idle pod`) })
})

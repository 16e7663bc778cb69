import pg from 'pg'
import type { Browser, Page } from 'playwright-core'
import { until } from '../../bed/processes/until.ts'
import { createRedis } from '../../src/stores/redis-client.ts'
import { wakeChannel } from '../../src/stores/redis-keys.ts'
import { launchBrowser } from '../support/browser.ts'
import type { Bench, BenchOptions } from './bench.ts'
import { type GreenroomBed, silent, startGreenroomBed } from './bench-bed.ts'
import { createReadyPods } from './bench-pods.ts'
import type { BenchResult } from './bench-report.ts'
import { createClaimStock } from './claim-stock.ts'
import { createLatencyRecorder } from './latency-recorder.ts'

/** How soon the dashboard is there and hears of a change, in Chromium, with many pods and sessions. */
export const bench: Bench = {
  summary: 'the dashboard in Chromium: first paint, pools and sessions on it, a change until it is seen',
  options: {
    pods: { type: 'string', default: '10000' },
    pools: { type: 'string', default: '20' },
    sessions: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '20' },
  },
  run: runDashboardBench,
}

const poolNames = (count: number) => Array.from({ length: count }, (_, n) => `agent-${n}`)

async function runDashboardBench(options: BenchOptions, say: (line: string) => void): Promise<BenchResult> {
  const types = poolNames(Number(options.pools))
  const each = Math.ceil(Number(options.pods) / types.length)
  const pools = types.map(
    (type) => `  ${type}: { template: { image: "greenroom:0.1.0" }, min: ${each}, max: ${2 * each} }\n`,
  )
  const bed = await startGreenroomBed({
    say,
    pools: `pools:\n${pools.join('')}`,
    webhook: false,
    body: { agentType: types[0] },
  })
  try {
    const browser = await launchBrowser()
    bed.onStop(() => browser.close())
    await fill(bed, { types, each, sessions: Number(options.sessions) })
    say(`${types.length * each} pods and ${String(options.sessions)} sessions`)
    await bed.startApi()
    return await measure(bed, browser, Number(options.rounds))
  } finally {
    await bed.stop()
  }
}

interface Amounts {
  readonly types: readonly string[]
  readonly each: number
  readonly sessions: number
}

/** Pods in Kubernetes, their slots in Redis, and rows of sessions: half of the pods serve one, all others have ended. */
async function fill(bed: GreenroomBed, { types, each, sessions }: Amounts): Promise<void> {
  const pods: Record<string, { uid: string; name: string; ip: string }[]> = {}
  for (const [n, type] of types.entries()) {
    const addresses = Array.from({ length: each }, (_, m) => `127.${100 + n}.${m >> 8}.${m & 255}`)
    pods[type] = [...(await createReadyPods({ ...bed, agentType: type, addresses }))]
  }
  const stock = await createClaimStock(bed)
  bed.onStop(() => stock.close())
  const idle = (uids: readonly { uid: string }[]) => uids.slice(each / 2).map(({ uid }) => uid)
  await stock.refill(Object.fromEntries(types.map((type) => [type, idle(pods[type] ?? [])])))
  const claimed = types.flatMap((type) =>
    (pods[type] ?? []).slice(0, each / 2).map((pod) => ({ type, ...pod })),
  )
  const database = new pg.Client({ connectionString: bed.databaseUrl })
  await database.connect()
  // Their events were told long ago.
  await database.query('SET session_replication_role = replica')
  await database.query(insertSql, [JSON.stringify(claimed), sessions, types])
  await database.query('ANALYZE')
  await database.end()
}

const insertSql = `
  WITH claimed AS (
    SELECT row_number() OVER () AS n, c.* FROM json_to_recordset($1::json) AS c(type text, uid text, name text, ip text)
  ), made AS (
    INSERT INTO sessions (id, status, end_reason, agent_type, project_id, room_name, room, metadata, epoch, pod_uid, pod_name,
      pod_ip, warm, lease_ms, lease_expires_at, max_ends_at, created_at, active_at, ending_at, ended_at)
    SELECT gen_random_uuid(), CASE WHEN uid IS NULL THEN 'ENDED' ELSE 'ACTIVE' END,
      CASE WHEN uid IS NULL THEN 'ended:caller' END,
      coalesce(type, ($3::text[])[1 + s % array_length($3::text[], 1)]), 'project-' || s % 50, 'lobby', 'room-' || s,
      '{"topic": "bench"}', 1, coalesce(uid, 'gone-' || s), coalesce(name, 'gone-' || s), coalesce(ip, '127.0.0.1'), s % 500 > 0,
      60000, now() + interval '1 hour', now() + interval '1 hour', now() - s * interval '1 s', now() - s * interval '1 s',
      CASE WHEN uid IS NULL THEN now() END, CASE WHEN uid IS NULL THEN now() END
    FROM generate_series(1, $2::int) AS s LEFT JOIN claimed ON claimed.n = s
    RETURNING id, pod_uid, status
  )
  INSERT INTO pod_claims (pod_uid, purpose, session_id, epoch) SELECT pod_uid, 'session', id, 1 FROM made WHERE status = 'ACTIVE'`

async function measure(bed: GreenroomBed, browser: Browser, rounds: number): Promise<BenchResult> {
  const [painted, shown, seen] = [createLatencyRecorder(), createLatencyRecorder(), createLatencyRecorder()]
  const changes = await createChanges(bed)
  let elements = 0
  // The first one warms what the API keeps for everybody.
  for (let round = 0; round <= rounds; round += 1) {
    const page = await openPage(bed, browser)
    const { paintMs, shownMs } = await look(page)
    const seenMs = await changes.until(page)
    elements = Number(await page.evaluate('document.querySelectorAll("*").length'))
    await page.context().close()
    if (round === 0) continue
    take(painted, paintMs)
    take(shown, shownMs)
    take(seen, seenMs)
  }
  const rows = [
    painted.row('first paint', 1),
    shown.row('pools and sessions shown', 1),
    seen.row('a change until it is seen', 1),
  ]
  for (const row of rows) bed.say(`${row.case}: p50 ${row.p50Ms} ms, p99 ${row.p99Ms} ms`)
  return { rows, elements }
}

function take(recorder: ReturnType<typeof createLatencyRecorder>, ms: number): void {
  recorder.take({ latenciesUs: [ms * 1_000], errors: 0, durationMs: ms })
}

/** A tab of its own, with nothing in its cache, in which somebody has signed in. */
async function openPage(bed: GreenroomBed, browser: Browser): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } })
  const page = await context.newPage()
  const key = bed.target.headers.authorization?.replace('Bearer ', '') ?? ''
  await page.addInitScript(`sessionStorage.setItem('greenroom-api-key', ${JSON.stringify(key)})`)
  await page.addInitScript(shownScript)
  return page.goto(`${bed.apiUrl}/dashboard`, { waitUntil: 'commit' }).then(() => page)
}

/** Notes when both tables have rows, by the clock of the page, which begins with the navigation. */
const shownScript = `new MutationObserver((_, observer) => {
  if (!document.querySelector('#pool-rows tr') || !document.querySelector('#session-rows tr')) return
  observer.disconnect()
  requestAnimationFrame(() => { window.shownMs = performance.now() })
}).observe(document, { childList: true, subtree: true })`

async function look(page: Page): Promise<{ readonly paintMs: number; readonly shownMs: number }> {
  const isThere = 'window.shownMs !== undefined && performance.getEntriesByType("paint").length > 1'
  await until('the page to be there', async () => (await page.evaluate(isThere)) === true)
  return page.evaluate(`({
    paintMs: performance.getEntriesByName('first-contentful-paint')[0].startTime,
    shownMs: window.shownMs
  })`)
}

/** Sessions that are opened in PostgreSQL, as an open does it, until a page shows them. */
async function createChanges(bed: GreenroomBed) {
  const database = new pg.Client({ connectionString: bed.databaseUrl })
  await database.connect()
  const redis = createRedis(bed.redis.url, silent)
  await until('redis connection', () => redis.status === 'ready')
  bed.onStop(async () => {
    redis.disconnect()
    await database.end()
  })
  let count = 0
  return {
    async until(page: Page): Promise<number> {
      await page.locator('#live[data-state="live"]').waitFor()
      count += 1
      const pod = `change-${count}`
      const began = performance.now()
      await database.query(changeSql, [pod])
      await redis.publish(wakeChannel, JSON.stringify({ kind: 'claimed', agentType: 'agent-0' }))
      await page.locator('#session-rows', { hasText: pod }).waitFor()
      return performance.now() - began
    },
  }
}

/** Its event is written by the table itself. */
const changeSql = `
  INSERT INTO sessions (id, status, agent_type, room_name, room, epoch, pod_uid, pod_name, pod_ip, warm, lease_ms,
    lease_expires_at, max_ends_at, active_at)
  VALUES (gen_random_uuid(), 'ACTIVE', 'agent-0', 'lobby', 'lobby', 1, $1, $1, '127.0.0.1', true, 60000,
    now() + interval '1 hour', now() + interval '1 hour', now())`

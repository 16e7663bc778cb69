import pg from 'pg'
import t, { type Test } from 'tap'
import { startBed } from '../../bed/bed.ts'
import { poolsDocument } from '../../bed/pools-document.ts'
import { until } from '../../bed/processes/until.ts'
import { serverUsername } from '../../bed/replicas/greenroom-processes.ts'
import type { UsageReport } from '../../src/domain/usage-report.ts'
import { pause } from '../../src/timing/pause.ts'
import { runProgram } from '../support/run-program.ts'
import { createSessionCaller } from './session-caller.ts'

/** The usage report against what the API server's audit log says of the same pods. Every part is real. */

t.setTimeout(300_000)
const min = 6
const rounds = 8
const begin = new Date(Date.now() - 1_000).toISOString()
const bed = await startBed({ pools: poolsDocument({ min, max: 40, more: 'pricePerPodHour: 0.36' }) })
const { client, kubectl, open, untilIdle } = createSessionCaller(bed)
const database = new pg.Client({ connectionString: bed.databaseUrl })
await database.connect()
t.teardown(async () => {
  client.close()
  await database.end()
  await bed.stop()
})
await untilIdle(min)

async function usage(query: string): Promise<UsageReport> {
  const { status, text } = await client.call({ method: 'GET', path: `/v1/usage?${query}` })
  if (status !== 200) throw new Error(text)
  return JSON.parse(text) as UsageReport
}

/** When pods of the pool were created and went, epoch ms, each in the order of time. Which pod is which does not matter. */
interface Lives {
  readonly created: readonly number[]
  readonly gone: readonly number[]
}

/** As the API server's audit log has it: of several deletions of a pod the last one that was carried out is its end. */
async function auditedLives(): Promise<Lives> {
  const pods = (await bed.plane.writes()).filter(
    ({ resource, subresource, namespace, dryRun, code }) =>
      resource === 'pods' &&
      subresource === undefined &&
      namespace === bed.namespace &&
      !dryRun &&
      code < 300,
  )
  const there = new Set<string>(
    (
      JSON.parse(await kubectl('get', 'pods', '-o', 'json')) as { items: { metadata: { name: string } }[] }
    ).items.map(({ metadata }) => metadata.name),
  )
  const ends = new Map<string, number>()
  for (const { verb, name = '', at } of pods) if (verb === 'delete' && !there.has(name)) ends.set(name, at)
  const creates = pods.filter(({ verb, user }) => verb === 'create' && user === serverUsername)
  return { created: inOrder(creates.map(({ at }) => at)), gone: inOrder([...ends.values()]) }
}

async function notedLives(): Promise<Lives> {
  const { rows } = await database.query<{ created_at: Date; gone_at: Date | null }>(
    'SELECT created_at, gone_at FROM pod_lives',
  )
  const gone = rows.flatMap(({ gone_at }) => (gone_at ? [gone_at.getTime()] : []))
  return { created: inOrder(rows.map(({ created_at }) => created_at.getTime())), gone: inOrder(gone) }
}

const sum = (numbers: readonly number[]) => numbers.reduce((all, number) => all + number, 0)
const inOrder = (numbers: readonly number[]) => numbers.toSorted((a, b) => a - b)
const future = () => new Date(Date.now() + 3_600_000).toISOString()

/** The sum needs no pairs: each create adds the time that is left, and each end takes it away. */
function secondsBefore(untilMs: number, { created, gone }: Lives): number {
  const left = (at: number) => Math.max(0, untilMs - at) / 1_000
  return sum(created.map(left)) - sum(gone.map(left))
}

/** How far the n-th time of one list is from the n-th of the other, ms: the middle one of all n. */
function medianDistance(some: readonly number[], others: readonly number[]): number {
  const distances = inOrder(some.map((at, n) => Math.abs(at - (others[n] ?? Number.NaN))))
  return distances[Math.floor(distances.length / 2)] ?? Number.NaN
}

/** 0.1 % of a life of 50 s, of which a watch tells so late. A machine that stands still for a moment makes a few later. */
const watchDelayMs = 50

/**
 * Of the same time: the report is the sum of what was noted, to the millisecond; every pod of the audit log was noted, and
 * nearly all at the right time. Resolves with the report and by how many seconds it differs from the audit log.
 */
async function agrees(t: Test, what: string): Promise<{ report: UsageReport; offSeconds: number }> {
  const audited = await until('every create and every end to be noted', async () => {
    const [lives, noted] = await Promise.all([auditedLives(), notedLives()])
    const isNoted = (['created', 'gone'] as const).every((time) => noted[time].length === lives[time].length)
    return isNoted ? lives : undefined
  })
  const report = await usage(`from=${begin}&to=${future()}&by=pool`)
  const untilMs = Date.parse(report.until)
  const noted = await notedLives()
  const counted = report.total.podSeconds
  const auditedSeconds = secondsBefore(untilMs, audited)
  const offSeconds = counted - auditedSeconds
  t.comment(
    `${what}: ${counted.toFixed(3)} s counted, ${auditedSeconds.toFixed(3)} s audited, ${((Math.abs(offSeconds) / auditedSeconds) * 100).toFixed(4)} % off, ${report.inexactSeconds} s inexact`,
  )
  t.equal(noted.created.length, audited.created.length, `${what}: every pod is noted`)
  t.ok(
    Math.abs(counted - secondsBefore(untilMs, noted)) < 0.001,
    `${what}: the report is the sum of what is noted`,
  )
  for (const time of ['created', 'gone'] as const) {
    const distance = medianDistance(audited[time], noted[time])
    t.ok(distance <= watchDelayMs, `${what}: ${time} ${distance.toFixed(1)} ms from the audit log`)
  }
  return { report, offSeconds }
}

void t.test(
  'dozens of pods and sessions: pod time as the audit log has it, session time as the API says',
  async (t) => {
    const projects = ['checkout', 'search', 'batch', undefined]
    const sessions: { id: string; projectId: string | undefined }[] = []
    for (let round = 0; round < rounds; round += 1) {
      const opened = await Promise.all(
        projects.map(async (projectId) => ({
          projectId,
          id: (await open({ onEmpty: 'wait', waitMs: 30_000, ...(projectId !== undefined && { projectId }) }))
            .id,
        })),
      )
      sessions.push(...opened)
      // So that lives are some seconds long, as short as any in use: watching a pod go takes a few ms.
      await pause(3_000)
      await Promise.all(opened.slice(round % 3).map(({ id }) => client.end(id, '?wait=true')))
    }
    const { report: running } = await agrees(t, 'while sessions run')
    t.equal(running.inexactSeconds, 0, 'events told of every pod as it happened')

    const read = await Promise.all(sessions.map(async ({ id }) => (await client.read(id)).body))
    const cut = running.until
    const byProject = await usage(`from=${begin}&to=${cut}&by=project`)
    for (const projectId of projects) {
      const own = read.filter((session) => session.projectId === projectId)
      const expected = sum(
        own.map(
          ({ createdAt, endedAt = cut }) =>
            Math.min(Date.parse(endedAt), Date.parse(cut)) - Date.parse(createdAt),
        ),
      )
      const row = byProject.rows.find((found) => found.projectId === projectId && !found.unshared)
      t.equal(row?.sessions, own.length)
      // A pod may be seen to go a few ms before its session is noted as ENDED.
      const off = Math.abs((row?.sessionSeconds ?? 0) * 1_000 - expected)
      t.ok(
        off <= own.length * 150,
        `${projectId}: ${row?.sessionSeconds} s, ${off} ms off over ${own.length} sessions`,
      )
    }

    const middle = new Date((Date.parse(begin) + Date.parse(cut)) / 2).toISOString()
    const [first, second] = await Promise.all([
      usage(`from=${begin}&to=${middle}`),
      usage(`from=${middle}&to=${cut}`),
    ])
    const ms = (seconds: number) => Math.round(seconds * 1_000)
    for (const key of ['podSeconds', 'sessionSeconds', 'idleSeconds'] as const) {
      t.equal(
        ms(first.total[key]) + ms(second.total[key]),
        ms(byProject.total[key]),
        `windows that meet: ${key}`,
      )
      t.equal(sum(byProject.rows.map((row) => ms(row[key]))), ms(byProject.total[key]), `rows: ${key}`)
    }
    t.ok(
      Math.abs((byProject.total.cost ?? 0) - byProject.total.podSeconds * 0.0001) < 1e-6,
      'the price of agent-pools',
    )
  },
)

void t.test('the command asks the same server', async (t) => {
  const env = { GREENROOM_API_URL: bed.apiUrls[0] ?? '', GREENROOM_API_KEY: bed.apiKey }
  const cut = new Date().toISOString()
  const { code, stdout, stderr } = await runProgram(
    'src/cli/greenroom.ts',
    ['usage', '--from', begin, '--to', cut],
    { env },
  )
  t.match({ code, stderr }, { code: 0, stderr: '' })
  t.comment(stdout)
  t.match(stdout, new RegExp(`^checkout +${rounds} `, 'm'))
  t.match(stdout, new RegExp(`^\\(no project\\) +${rounds} `, 'm'))
  const csv = await runProgram('src/cli/greenroom.ts', ['usage', '--from', begin, '--to', cut, '--csv'], {
    env,
  })
  t.match(csv.stdout, /^"search",,false,8,\d+\.\d{3},\d+\.\d{3},\d+\.\d{3},\d+\.\d{6}\r$/m)
})

void t.test(
  'a controller that was killed while pods came and went costs no more exactness than it says',
  async (t) => {
    const controller = bed.roles.get('controller')
    if (!controller) throw new Error('no controller')
    const before = await agrees(t, 'before a controller is killed')
    const session = await open({ projectId: 'checkout' })
    const victims = await Promise.all([1, 2].map(() => open({ projectId: 'batch' })))
    const again = controller.restart('SIGKILL')
    await until('its end', async () => !controller.isRunning())
    // Nobody refills or notes; the pods of two sessions go at once.
    await Promise.all(
      victims.map(({ pod }) => kubectl('delete', 'pod', pod.name, '--grace-period=0', '--force')),
    )
    await again
    // The lease of the dead leader runs out first.
    await until(
      'the end',
      async () => (await client.read(victims[0]?.id ?? '')).body.status === 'ENDED',
      60_000,
    )
    await untilIdle(min)
    await until(
      'the comparison',
      async () => (await usage(`from=${begin}&to=${future()}`)).inexactSeconds > 0,
      60_000,
    )
    const { report, offSeconds } = await agrees(t, 'after a controller was killed')
    const newlyOff = Math.abs(offSeconds - before.offSeconds)
    t.ok(
      newlyOff <= report.inexactSeconds + report.total.podSeconds * 0.001,
      `${newlyOff.toFixed(3)} s more off`,
    )
    t.ok(report.inexactSeconds < 90, `${report.inexactSeconds} s: as long as it was away`)
    await client.end(session.id)
  },
)

void t.test('refusals come with their code', async (t) => {
  const refused = async (query: string) =>
    (await client.call({ method: 'GET', path: `/v1/usage?${query}` })).body.code
  t.equal(await refused('from=2026-01-01&to=2025-01-01'), 'GRN_USAGE_WINDOW')
  t.equal(await refused(`from=${future()}&to=2999-01-01`), 'GRN_USAGE_WINDOW')
  t.equal(await refused('from=2026-01-01'), 'GRN_INVALID_REQUEST')
  t.equal(
    (await usage('from=2026-01-01&to=2026-01-02')).rows.length,
    0,
    'a new installation is complete from the begin',
  )
})

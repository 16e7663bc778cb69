import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { CoreV1Api } from '@kubernetes/client-node'
import { Redis } from 'ioredis'
import pg from 'pg'
import t from 'tap'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { root } from '../../bed/repository.ts'
import { startControlPlane } from '../../bed/servers/control-plane.ts'
import type { DoctorReport } from '../../src/cli/doctor-report.ts'
import { type InvariantKind, invariantKinds } from '../../src/domain/invariants/broken-invariant.ts'
import { label } from '../../src/domain/names.ts'
import { poolKeys } from '../../src/stores/redis-keys.ts'
import { newId } from '../stores/open-records.ts'
import { startDatabase, startIndexServer } from '../stores/store-servers.ts'
import { assertInvariants, brokenInvariantsNow } from '../support/invariants.ts'

/** `greenroom doctor` on real stores: each corruption is planted with the tools that would cause it. */

const namespace = 'ai-agents'
const agentType = 'echo-agent'
const folder = await temporaryFolder('doctor')
const plane = await startControlPlane({ folder: folder.path })
const database = await startDatabase(t)
const redisServer = await startIndexServer(t)
const redis = new Redis(redisServer.url)
t.teardown(async () => {
  redis.disconnect()
  await plane.stop()
  await folder.remove()
})
await plane.createNamespace(namespace)
const core = plane.admin().makeApiClient(CoreV1Api)

/** A pod that is Ready as far as the API server knows; resolves with its UID. */
async function createPod(name: string): Promise<string> {
  const labels = { [label.managed]: 'true', [label.pool]: agentType, [label.state]: 'idle' }
  const containers = [{ name: 'agent', image: 'echo' }]
  const body = { metadata: { name, labels }, spec: { containers } }
  const { metadata } = await core.createNamespacedPod({ namespace, body })
  await setStatus(name, {
    podIP: '127.1.2.3',
    conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: new Date().toISOString() }],
  })
  return metadata?.uid ?? ''
}

async function setStatus(name: string, status: Record<string, unknown>): Promise<void> {
  const body = Object.entries(status).map(([key, value]) => ({ op: 'add', path: `/status/${key}`, value }))
  await core.patchNamespacedPodStatus({ name, namespace, body })
}

const [idle, claimed] = await Promise.all([createPod('idle'), createPod('claimed')])
/** A pod for each kind to go wrong with; where its plant does nothing with it, it is an idle one. */
const podOf = Object.fromEntries(
  await Promise.all(invariantKinds.map(async (kind) => [kind, await createPod(kind)] as const)),
) as Record<InvariantKind, string>
const podCount = invariantKinds.length + 2
const { ready, reservations, expiries, built } = poolKeys(agentType)

/** A database and an index in which everything is as it should be: one session, one idle pod, some history. */
async function soundStores() {
  const url = await database.fresh()
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const run = (text: string, values: unknown[] = []) => client.query(text, values)
  await redis.flushall()
  await redis.multi().zadd(ready, 1, idle).set(built, '1').exec()
  /** Ages are intervals before now. */
  const addSession = async (podUid: string | null, columns: Record<string, string | number> = {}) => {
    const given = { id: newId(), status: 'ACTIVE', epoch: 1, ...columns }
    const over = given.status.startsWith('END') ? 'ended:caller' : null
    await run(
      `INSERT INTO sessions (id, status, end_reason, agent_type, room_name, room, epoch, pod_uid, pod_name, pod_ip, warm,
         lease_ms, lease_expires_at, max_ends_at, active_at, ending_at, ended_at)
       VALUES ($1, $2, $3, $4, 'lobby', 'room', $5, $6, $6, $6, true, 60000, now() + $7::interval, now() + '1 hour',
         CASE WHEN $2 <> 'PENDING' THEN now() END, CASE WHEN $2 LIKE 'END%' THEN now() - $8::interval END,
         CASE WHEN $2 = 'ENDED' THEN now() - $8::interval END)`,
      [
        given.id,
        given.status,
        over,
        agentType,
        given.epoch,
        podUid,
        columns.lease ?? '1 minute',
        columns.over ?? '1 second',
      ],
    )
    return given.id
  }
  const addClaim = (podUid: string, sessionId: string | null, { epoch = 1, age = '10 minutes' } = {}) =>
    run(
      `INSERT INTO pod_claims (pod_uid, purpose, session_id, epoch, at)
       VALUES ($1, CASE WHEN $2::uuid IS NULL THEN 'retired' ELSE 'session' END, $2, $3, now() - $4::interval)`,
      [podUid, sessionId, epoch, age],
    )
  /** A session and its claim. */
  const served = async (podUid: string, columns: Record<string, string | number> = {}) => {
    const id = await addSession(podUid, columns)
    await addClaim(podUid, id)
    return id
  }
  const made = [idle, claimed, 'never-was', ...Object.values(podOf)]
  await run(
    `INSERT INTO pool_pods (pod_uid, agent_type, template_hash, spec_digest) SELECT uid, $2, '', '' FROM unnest($1::text[]) AS uid`,
    [made, agentType],
  )
  await run('UPDATE pool_pod_notes SET complete_since = now()')
  await served(claimed)
  await addSession(null, { status: 'PENDING' })
  await served('gone-long-ago', { status: 'ENDED', over: '1 hour' })
  await addClaim('retired-long-ago', null)
  return { url, run, addSession, addClaim, served, close: () => client.end() }
}

function targetOf({ url }: { readonly url: string }) {
  return { databaseUrl: url, redisUrl: redisServer.url, plane, namespace }
}

type Stores = Awaited<ReturnType<typeof soundStores>>

/** Each has a pod of its own and resolves with the subject that the doctor must name: they may be planted together. */
const plants: Record<InvariantKind, (stores: Stores, podUid: string) => Promise<string>> = {
  'pod-claimed-twice': async ({ run, served, addSession }, podUid) => {
    await served(podUid)
    await run('DROP INDEX sessions_live_pod')
    await addSession(podUid)
    return podUid
  },
  'session-on-two-pods': async ({ served, addClaim }, podUid) => {
    const id = await served(podUid)
    await addClaim('another', id)
    return id
  },
  'session-without-claim': ({ addSession }, podUid) => addSession(podUid),
  'session-without-pod': ({ served }) => served('never-was'),
  'claimed-pod-without-session': async ({ served }, podUid) => {
    await served(podUid, { status: 'ENDED', over: '2 minutes' })
    return podUid
  },
  'retired-pod-remains': async ({ addClaim }, podUid) => {
    await addClaim(podUid, null)
    return podUid
  },
  'pod-not-noted-in-use': async ({ run, served }, podUid) => {
    await served(podUid)
    await run('DELETE FROM pool_pods WHERE pod_uid = $1', [podUid])
    return podUid
  },
  'index-entry-without-pod': async () => {
    await redis.zadd(ready, 1, 'ghost')
    return 'ghost'
  },
  'slot-offered-twice': async (_stores, podUid) => {
    await redis.zadd(ready, 1, podUid)
    await redis.hset(reservations, 'some-session', `1 1 ${podUid}`)
    await redis.zadd(expiries, Date.now() + 2_000, 'some-session')
    return podUid
  },
  'reservation-past-bound': async () => {
    await redis.hset(reservations, 'other-session', '1 1 held')
    return 'held'
  },
  'pending-past-lease': ({ addSession }) => addSession(null, { status: 'PENDING', lease: '-10 seconds' }),
  'lease-lapsed-not-ended': ({ served }, podUid) => served(podUid, { lease: '-10 minutes' }),
  'ending-past-bound': ({ addSession }) => addSession(null, { status: 'ENDING', over: '3 minutes' }),
  'project-count-wrong': async ({ run }) => {
    await run(`INSERT INTO project_usage (project_id, live, most, ceiling) VALUES ('tea', 3, 5, 5)`)
    return 'tea'
  },
  'active-never-acknowledged': async ({ run, served }, podUid) => {
    const id = await served(podUid)
    await run('UPDATE sessions SET active_at = NULL WHERE id = $1', [id])
    return id
  },
}

interface DoctorRun {
  readonly url: string
  readonly args?: readonly string[]
  /** The checks as well, as without arguments. */
  readonly checks?: boolean
  readonly env?: Record<string, string>
}

/** The program as people run it, with nothing in its environment but what it needs. */
async function doctor({ url, args = [], checks = false, env = {} }: DoctorRun) {
  const all = [...(checks ? [] : ['--invariants']), ...args]
  const child = spawn(process.execPath, [join(root, 'src/main.ts'), 'doctor', ...all], {
    env: {
      DATABASE_URL: url,
      REDIS_URL: redisServer.url,
      KUBECONFIG: plane.kubeconfigPath,
      GREENROOM_NAMESPACE: namespace,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const texts = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      texts[stream] += text
    })
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, ...texts }
}

const jsonReport = (stdout: string) => JSON.parse(stdout) as DoctorReport

void t.test('all is well: one line and 0, without waiting for anything', async (t) => {
  const stores = await soundStores()
  const { code, stdout, stderr } = await doctor(stores)
  t.equal(stdout, `no broken invariants in ${podCount} pods, 3 sessions, 1 pools\n`)
  t.equal(stderr, '')
  t.equal(code, 0)
  const json = await doctor({ ...stores, args: ['--json'] })
  t.same(jsonReport(json.stdout), {
    violations: [],
    counts: {},
    unread: [],
    seen: { pods: podCount, sessions: 3, pools: 1 },
    checks: [],
  })
  t.equal(json.code, 0)
  await stores.close()
})

void t.test(
  'without arguments: the checks, then the invariants; what is not installed is skipped',
  async (t) => {
    const stores = await soundStores()
    const { code, stdout } = await doctor({ ...stores, checks: true })
    const lines = stdout.trimEnd().split('\n')
    t.equal(lines.at(-1), `no broken invariants in ${podCount} pods, 3 sessions, 1 pools`)
    t.match(lines, [/^ok +node-version/])
    t.match(stdout, /\nskipped +webhook-called +There is no MutatingWebhookConfiguration/)
    t.match(stdout, /\nfailed +postgresql-durability +fsync is off.*\n +fix: psql /, "the bed's PostgreSQL")
    t.match(lines.at(-2), /^26 checks: \d+ ok, /)
    t.equal(code, 1)
    await stores.close()
  },
)

void t.test('each corruption alone is found by its own name, and by no other', async (t) => {
  for (const kind of invariantKinds) {
    const stores = await soundStores()
    const subject = await plants[kind](stores, podOf[kind])
    const found = await brokenInvariantsNow(targetOf(stores))
    t.match(found, [{ kind, subject, detail: /\.$/ }], kind)
    t.equal(found.length, 1, kind)
    await stores.close()
  }
})

void t.test('the program finds all of them at once: a line for each, the numbers, and 1', async (t) => {
  const stores = await soundStores()
  const planted: string[] = []
  for (const kind of invariantKinds) planted.push(`${kind} ${await plants[kind](stores, podOf[kind])}`)
  const inWords = await doctor({ ...stores, args: ['--settle-ms', '0'] })
  const lines = inWords.stdout.trimEnd().split('\n')
  const counts = invariantKinds.map((kind) => `${kind} 1`).join(', ')
  t.equal(lines.pop(), `15 broken invariants (${counts}) in ${podCount} pods, 14 sessions, 1 pools`)
  const named = lines.map((line) => line.slice(0, line.indexOf(': ')))
  t.same(named.sort(), planted.sort())
  t.equal(inWords.code, 1)
  const json = await doctor({ ...stores, args: ['--json', '--settle-ms', '50'] })
  const report = jsonReport(json.stdout)
  t.same(report.violations.map(({ kind, subject }) => `${kind} ${subject}`).sort(), planted)
  t.same(report.counts, Object.fromEntries(invariantKinds.map((kind) => [kind, 1])))
  t.equal(json.code, 1)
  await stores.close()
})

void t.test('what heals while the doctor looks is not broken', async (t) => {
  const stores = await soundStores()
  await redis.zadd(ready, 1, 'ghost')
  const monitor = await redis.monitor()
  t.teardown(() => monitor.disconnect())
  const looked = new Promise<void>((resolve) => {
    monitor.on('monitor', (_time: string, [command]: string[]) => command === 'exec' && resolve())
  })
  const running = doctor(stores)
  await looked
  await redis.zrem(ready, 'ghost')
  const { code, stdout } = await running
  t.match(stdout, /^no broken invariants/)
  t.equal(code, 0)
  await stores.close()
})

void t.test(
  'a store that is away: said with its code, 6, and the others are judged all the same',
  async (t) => {
    const stores = await soundStores()
    await plants['pending-past-lease'](stores, '')
    await redis.zadd(ready, 1, idle)
    await redis.hset(reservations, 'some-session', '1 1 held')
    const args = ['--json', '--settle-ms', '0']
    const nowhere = 'redis://127.0.0.1:1'
    const withoutRedis = await doctor({ ...stores, args, env: { REDIS_URL: nowhere } })
    t.match(jsonReport(withoutRedis.stdout), {
      unread: [{ store: 'redis', code: 'GRN_REDIS_UNAVAILABLE', message: /\(.+\)$/ }],
      violations: [{ kind: 'pending-past-lease' }],
    })
    t.notHas(jsonReport(withoutRedis.stdout).seen, 'pools')
    t.equal(withoutRedis.code, 6)
    const noKube = await doctor({ ...stores, args, env: { KUBECONFIG: join(folder.path, 'nothing') } })
    t.match(jsonReport(noKube.stdout), {
      unread: [{ store: 'kubernetes', code: 'GRN_INVALID_CONFIG' }],
      counts: { 'pending-past-lease': 1, 'reservation-past-bound': 1 },
    })
    t.equal(noKube.code, 6)
    const elsewhere = { ...stores, url: 'postgres://somebody:hunter2@127.0.0.1:1/greenroom' }
    const noDatabase = await doctor({ ...elsewhere, args })
    t.match(jsonReport(noDatabase.stdout), {
      unread: [{ store: 'postgresql', code: 'GRN_DATABASE_UNAVAILABLE', message: /ECONNREFUSED/ }],
      counts: { 'reservation-past-bound': 1 },
    })
    t.notMatch(noDatabase.stdout, /hunter2/)
    t.equal(noDatabase.code, 6)
    const inWords = await doctor({ ...elsewhere, args: ['--settle-ms', '0'] })
    t.match(inWords.stdout, /\npostgresql was not read: GRN_DATABASE_UNAVAILABLE: /)
    await stores.close()
  },
)

void t.test('a database of another version, no environment: 6 as well; wrong arguments: 2', async (t) => {
  const empty = await doctor({ url: await database.server.createDatabase('unmigrated') })
  t.match(empty.stdout, /postgresql was not read: GRN_SCHEMA_OUTDATED/)
  t.equal(empty.code, 6)
  for (const args of [['--settle-ms', 'soon'], ['--nothing'], ['pods'], ['--before']]) {
    const wrong = await doctor({ url: 'postgres://127.0.0.1:1/none', args })
    t.match(wrong.stderr, /^GRN_WRONG_ARGUMENTS: /)
    t.equal(wrong.stdout, '')
    t.equal(wrong.code, 2)
  }
  const bare = await doctor({ url: '', env: { REDIS_URL: '' } })
  t.match(bare.stdout, /postgresql was not read: GRN_INVALID_CONFIG: DATABASE_URL is not set/)
  t.match(bare.stdout, /redis was not read: GRN_INVALID_CONFIG: REDIS_URL is not set/)
  t.equal(bare.code, 6)
})

void t.test('assertInvariants: passes at once, waits for what heals, tells what stays', async (t) => {
  const stores = await soundStores()
  const target = targetOf(stores)
  const dead = podOf['retired-pod-remains']
  const fake = () => {
    const calls = { passed: 0, failed: [] as unknown[] }
    const test = {
      pass: () => void (calls.passed += 1),
      fail: (_message: string, extra: unknown) => void calls.failed.push(extra),
    }
    return { calls, test: test as unknown as typeof t }
  }
  const sound = fake()
  await assertInvariants(sound.test, target, { withinMs: 0 })
  t.match(sound.calls, { passed: 1, failed: [] })

  // Just retired and under way: settled means that it is gone.
  await stores.addClaim(dead, null, { age: '0 seconds' })
  t.match(await brokenInvariantsNow(target), [{ kind: 'retired-pod-remains', subject: dead }])
  const stuck = fake()
  await assertInvariants(stuck.test, target, { withinMs: 0 })
  t.match(stuck.calls, { passed: 0, failed: [{ left: [new RegExp(`^retired-pod-remains ${dead}: `)] }] })

  const healing = fake()
  const waiting = assertInvariants(healing.test, target, { withinMs: 20_000 })
  await stores.run('DELETE FROM pod_claims WHERE pod_uid = $1', [dead])
  await waiting
  t.match(healing.calls, { passed: 1, failed: [] })
  await stores.close()
})

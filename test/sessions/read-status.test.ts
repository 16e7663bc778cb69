import t from 'tap'
import type { LeaderFindings, LeaderReport } from '../../src/domain/leader-findings.ts'
import type { PoolReport } from '../../src/domain/pool-report.ts'
import { createReadStatus } from '../../src/sessions/read-status.ts'
import { probesOf } from './status-bed.ts'

const at = Date.UTC(2026, 0, 1)
const time = (ms: number) => new Date(ms).toISOString()

const pool: PoolReport = {
  agentType: 'echo-agent',
  desired: { min: 2, max: 9 },
  ready: 2,
  warming: 1,
  claimed: 3,
  draining: 0,
  failed: 0,
  waiting: 4,
  configuration: { seen: '1', applied: '1' },
}
const document = { seen: '1', applied: '1', problems: undefined }
const findings: LeaderFindings = {
  drift: { change: 0, deny: 0 },
  broken: {},
  frozen: [],
  assignKeys: 1,
  documents: { pools: document, policy: document },
  since: {},
}
const leads = (found: Partial<LeaderFindings> = {}, ageMs = 2_000): LeaderReport => ({
  leader: 'replica-1',
  ageMs,
  findings: { ...findings, ...found },
})

function start(more: Partial<Parameters<typeof createReadStatus>[0]> = {}) {
  let now = at
  const read = createReadStatus({
    probes: probesOf(),
    readPools: { all: async () => [pool] },
    readLeader: async () => leads(),
    countSessions: async (projectId) => (projectId === undefined ? 5 : 2),
    poolCount: () => 7,
    namespace: 'ai-agents',
    clock: () => now,
    ...more,
  })
  return { read, pass: (ms: number) => void (now += ms) }
}

void t.test('all is well', async (t) => {
  const { read } = start()
  const status = await read(undefined)
  t.match(status, { at: time(at), state: 'ok', problems: [] })
  t.equal(status.parts.length, 9)
  t.equal(
    status.parts.some(({ since }) => since !== undefined),
    false,
    'what is well has no since',
  )
  t.same(status.totals, { pools: 1, idle: 2, warming: 1, claimed: 3, waiting: 4, sessions: 5 })
})

void t.test(
  'half of it down: each part says what is not known and since when, and hangs for itself alone',
  async (t) => {
    const refused = () => Promise.reject(new Error('connect ECONNREFUSED 10.0.0.9:5432.'))
    let asked = 0
    const { read, pass } = start({
      probes: probesOf({
        kubernetes: { state: 'degraded', detail: 'The API server does not answer.', since: at - 60_000 },
        postgresql: { state: 'down', detail: 'PostgreSQL does not answer: refused.' },
        redis: refused,
        webhook() {
          asked += 1
          return new Promise(() => {})
        },
      }),
      readPools: { all: refused },
      readLeader: refused,
      countSessions: refused,
    })
    const first = await read(undefined)
    const partOf = (status: typeof first, name: string) => status.parts.find(({ part }) => part === name)
    t.match(partOf(first, 'kubernetes'), { state: 'degraded', since: time(at - 60_000) }, 'as the part says')
    t.match(partOf(first, 'postgresql'), { state: 'down', since: time(at) }, 'as this replica saw it')
    t.match(partOf(first, 'redis'), {
      state: 'unknown',
      detail: 'Not known: connect ECONNREFUSED 10.0.0.9:5432.',
    })
    t.match(partOf(first, 'webhook'), { state: 'unknown', detail: /no answer within 1000 ms/ })
    t.match(partOf(first, 'livekit'), { state: 'ok' })
    t.same(first.totals, { pools: 7, sessions: undefined }, 'what could not be counted is absent')
    t.same(
      first.problems.map(({ code, subject }) => [code, subject]),
      [
        ['GRN_KUBERNETES_UNAVAILABLE', 'kubernetes'],
        ['GRN_DATABASE_UNAVAILABLE', 'postgresql'],
        ['GRN_REDIS_UNAVAILABLE', 'redis'],
        ['GRN_WEBHOOK_UNAVAILABLE', 'webhook'],
      ],
    )
    pass(10_000)
    const later = await read(undefined)
    t.match(partOf(later, 'redis'), { state: 'unknown', since: time(at) }, 'since the first failure in a row')
    t.match(partOf(later, 'postgresql'), { since: time(at) })
    t.match(partOf(later, 'webhook'), { state: 'unknown', since: time(at) })
    t.equal(asked, 1, 'what hangs is not asked again')
  },
)

void t.test('what cannot be read is no sign that all is well', async (t) => {
  const slow = start({ readPools: { all: () => Promise.reject(new Error('no answer in time')) } })
  const status = await slow.read(undefined)
  t.match(status, {
    state: 'attention',
    problems: [
      { code: 'GRN_DATABASE_UNAVAILABLE', subject: 'pools', cause: 'no answer in time.', since: time(at) },
    ],
    totals: { pools: 7 },
  })
  t.equal(status.problems.length, 1)
})

void t.test('a hundred open pages cost each part one question', async (t) => {
  let asked = 0
  const { read, pass } = start({
    probes: probesOf({
      async redis() {
        asked += 1
        return { state: 'ok', detail: 'Redis answers.' }
      },
    }),
  })
  await Promise.all(Array.from({ length: 100 }, () => read(undefined)))
  t.equal(asked, 1)
  pass(2_000)
  await read(undefined)
  t.equal(asked, 2)
})

void t.test('a project sees the states of the parts, its own sessions, and no problem', async (t) => {
  const { read } = start({
    probes: probesOf({
      controller: { state: 'ok', detail: 'One replica leads.', leader: 'replica-1' },
      postgresql: { state: 'down', detail: 'connect ECONNREFUSED 10.0.0.9:5432.' },
    }),
  })
  const status = await read('checkout')
  t.match(status, { state: 'attention', problems: [], totals: { pools: 1, claimed: 3, sessions: 2 } })
  t.notMatch(JSON.stringify(status), /replica-1|10\.0\.0\.9/)
  t.match(
    status.parts.find(({ part }) => part === 'postgresql'),
    { state: 'down', detail: 'Does not serve.' },
  )
  t.match(await read(undefined), { totals: { sessions: 5 } }, 'and the operator still sees all')
})

void t.test('what the leader found is told while it leads', async (t) => {
  const since = {
    broken: time(at - 1),
    drift: time(at - 2),
    frozen: time(at - 3),
    'assign-keys': time(at - 90_000_000),
  }
  const found = {
    drift: { change: 2, deny: 1 },
    broken: { 'pod-claimed-twice': 1 },
    frozen: ['pods'],
    assignKeys: 2,
    since,
  }
  const { problems } = await start({ readLeader: async () => leads(found) }).read(undefined)
  t.match(problems, [
    {
      code: 'GRN_INVARIANT_BROKEN',
      cause: /pod-claimed-twice \(1\)/,
      command: 'greenroom doctor',
      since: since.broken,
    },
    { code: 'GRN_ABSENCE_FROZEN', cause: /pods/ },
    { code: 'GRN_ADMISSION_DRIFT', cause: /change 2 of them and deny 1/, command: 'greenroom scan' },
    { code: 'GRN_OLD_ASSIGN_KEYS', cause: /2 keys/ },
  ])
  const fresh = { ...found, since: { ...since, 'assign-keys': time(at - 1_000) } }
  const young = await start({ readLeader: async () => leads(fresh) }).read(undefined)
  t.equal(young.problems.length, 3, 'a rotation of today is none')
  const silent = await start({ readLeader: async () => leads(found, 31_000) }).read(undefined)
  t.same(silent.problems, [], 'what a leader found that has gone may be over')
})

void t.test('the problem of a pool, with its cause and what to type', async (t) => {
  const problem = {
    cause: 'image',
    message: 'registry.example/a:1: not found',
    count: 3,
    since: time(at - 1_000),
    lastAt: time(at),
    remedy: 'Correct template.image.',
  } as const
  const pools = [
    { ...pool, problem },
    { ...pool, agentType: "it's; rm -rf /", problem: { ...problem, cause: 'canary' } as const },
    { ...pool, agentType: 'bound', boundBy: 'quota', quotaPods: 4 },
    { ...pool, agentType: 'frozen', boundBy: 'frozen' },
  ]
  const { problems } = await start({ readPools: { all: async () => pools } }).read(undefined)
  t.match(problems, [
    {
      code: 'image',
      subject: 'pool echo-agent',
      cause: 'registry.example/a:1: not found. Correct template.image.',
      command: 'kubectl -n ai-agents describe pods -l greenroom.dev/pool=echo-agent',
      since: problem.since,
    },
    { code: 'canary', what: /roll-out/, command: `greenroom rollout status 'it'\\''s; rm -rf /'` },
    { code: 'quota', subject: 'pool bound', cause: /4 pods/ },
  ])
  t.equal(problems.length, 3, 'a pool that somebody froze is as it was asked to be')
})

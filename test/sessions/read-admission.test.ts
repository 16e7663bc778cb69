import t from 'tap'
import { type CountedHour, createReadAdmission } from '../../src/sessions/read-admission.ts'
import { startApi } from '../http/api-bed.ts'

const at = Date.UTC(2026, 0, 1)
const time = (ms: number) => new Date(at + ms).toISOString()
const document = { seen: '1', applied: '1' }
const leader = (ageMs: number) => ({
  leader: 'replica-1',
  ageMs,
  findings: {
    drift: { change: 2, deny: 1 },
    broken: {},
    frozen: [],
    assignKeys: 1,
    documents: { pools: document, policy: document },
    since: {},
  },
})
const row = { rule: 'images', namespace: 'ai-agents', denied: 2, changed: 0, warned: 0 }

function read(hours: readonly CountedHour[], ageMs = 0) {
  return createReadAdmission({
    askReplicas: async () => hours,
    readLeader: async () => leader(ageMs),
    clock: () => at,
  })()
}

void t.test('the counts of all replicas are added; one that does not answer is told', async (t) => {
  const report = await read([
    { since: time(-3_600_000), rows: [row, { ...row, rule: 'probes', denied: 0, changed: 9 }] },
    undefined,
    { since: time(-60_000), rows: [row] },
  ])
  t.strictSame(report, {
    at: time(0),
    since: time(-60_000),
    replicas: { asked: 3, answered: 2 },
    rows: [
      { ...row, denied: 4 },
      { ...row, rule: 'probes', denied: 0, changed: 9 },
    ],
    drift: { change: 2, deny: 1 },
  })
})

void t.test('nobody answers, and no leader is known', async (t) => {
  const report = await read([undefined], 60_000)
  t.match(report, { since: undefined, replicas: { asked: 1, answered: 0 }, rows: [], drift: undefined })
})

void t.test('a webhook that cannot be asked is an error with its way out', async (t) => {
  const away = createReadAdmission({
    askReplicas: () => Promise.reject(new Error('getaddrinfo ENOTFOUND agent-webhook-status')),
    readLeader: () => Promise.reject(new Error('PostgreSQL is away')),
    clock: () => at,
  })
  const none = createReadAdmission({
    askReplicas: undefined,
    readLeader: async () => undefined,
    clock: () => at,
  })
  for (const [readAdmission, words] of [
    [away, /ENOTFOUND/],
    [none, /GREENROOM_WEBHOOK_OPS_URL/],
  ] as const) {
    const api = await startApi(t, { readAdmission })
    const answer = await api.call('GET', '/v1/admission')
    t.match(answer.json(), { code: 'GRN_WEBHOOK_UNAVAILABLE', status: 503, detail: words })
  }
})

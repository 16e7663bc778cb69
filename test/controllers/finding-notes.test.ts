import t from 'tap'
import { createFindingNotes } from '../../src/controllers/finding-notes.ts'
import type { LeaderReport } from '../../src/domain/leader-findings.ts'
import { createMetrics } from '../../src/metrics.ts'
import { silent } from '../support/kept-log.ts'

const document = { seen: '1', applied: '1' }
const time = (ms: number) => new Date(ms).toISOString()

function start() {
  const kept: { report?: LeaderReport } = {}
  let now = 1_000
  const metrics = createMetrics()
  const leader = (name: string) =>
    createFindingNotes({
      reports: {
        async post(of, findings) {
          kept.report = { leader: of, ageMs: 0, findings }
        },
        read: async () => kept.report,
      },
      leader: name,
      documents: () => ({ pools: document, policy: document }),
      metrics,
      logger: silent,
      now: () => now,
    })
  return { metrics, leader, findings: () => kept.report?.findings, pass: (ms: number) => void (now += ms) }
}

void t.test('a leader that has not looked yet says that it does not know', async (t) => {
  const { leader, findings } = start()
  await leader('a').note()
  t.match(findings(), { drift: undefined, broken: {}, frozen: [], since: {} })
})

void t.test('what the gauges say is noted, and since when, also by the next leader', async (t) => {
  const { metrics, leader, findings, pass } = start()
  metrics.admissionDrift.set({ decision: 'change' }, 2)
  metrics.admissionDrift.set({ decision: 'deny' }, 0)
  metrics.invariantViolations.set({ kind: 'pod-claimed-twice' }, 1)
  metrics.invariantViolations.set({ kind: 'session-on-two-pods' }, 0)
  metrics.absenceFrozen.set({ what: 'pods' }, 1)
  metrics.absenceFrozen.set({ what: 'rooms' }, 0)
  metrics.assignKeys.set(2)
  await leader('a').note()
  const all = { drift: time(1_000), broken: time(1_000), frozen: time(1_000), 'assign-keys': time(1_000) }
  t.strictSame(findings(), {
    drift: { change: 2, deny: 0 },
    broken: { 'pod-claimed-twice': 1 },
    frozen: ['pods'],
    assignKeys: 2,
    documents: { pools: document, policy: document },
    since: all,
  })
  pass(5_000)
  metrics.assignKeys.set(1)
  const next = leader('b')
  await next.note()
  t.strictSame(findings()?.since, { drift: time(1_000), broken: time(1_000), frozen: time(1_000) })
  pass(5_000)
  metrics.assignKeys.set(2)
  await next.note()
  t.equal(findings()?.since['assign-keys'], time(11_000), 'it began anew')
})

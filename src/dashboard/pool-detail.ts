import type { PoolReport } from '../client/api-types.ts'
import type { PoolHistory, PoolHistoryPoint } from '../domain/pool-history.ts'
import type { RolloutReport } from '../domain/rollout-report.ts'
import { build, setText } from './build-element.ts'
import type { DashboardApi } from './dashboard-api.ts'
import type { Detail } from './detail-drawer.ts'
import { createDetail, createDetailPart } from './detail-part.ts'
import { createFactList, type Fact } from './fact-list.ts'
import { createPoolActions } from './pool-actions.ts'
import { percentText, whySentence } from './pool-table.ts'
import { createSparkline } from './sparkline.ts'
import { momentText, spanText } from './time-text.ts'

const readEveryMs = 5_000
const historyEveryMs = 20_000
const shownMinutes = 60

interface PoolDetailOptions {
  readonly api: () => DashboardApi
  readonly maySteer: () => boolean
  /** Something was done here that the page shows as well. */
  readonly changed: () => void
}

/** One pool: its last hour, where its size comes from, its roll-out, and what may be done with it. */
export function createPoolDetail(agentType: string, { api, maySteer, changed }: PoolDetailOptions): Detail {
  const path = `/v1/pools/${encodeURIComponent(agentType)}`
  const read: Read = (address) => (signal) => api().ask(`${path}${address}`, { signal })
  const actions = createPoolActions({
    agentType,
    api,
    done() {
      detail.refresh()
      changed()
    },
  })
  actions.node.hidden = true
  const chart = createChart()
  const detail = createDetail(`Pool ${agentType}`, [
    sizePart(read, [actions.node, ...chart.nodes], (pool) => {
      actions.node.hidden = !maySteer()
      actions.showPool(pool)
      chart.showPool(pool)
    }),
    createDetailPart<PoolHistory>({
      body: [],
      ask: read(`/history?minutes=${shownMinutes}`),
      show: ({ points }) => chart.showPoints(points),
      everyMs: historyEveryMs,
    }),
    rolloutPart(read, (report) => actions.showRollout(report)),
  ])
  return detail
}

type Read = <T>(address: string) => (signal: AbortSignal) => Promise<T>

/** The course of the last hour, with the counts of now at its end. */
function createChart() {
  const line = createSparkline({ minutes: shownMinutes, look: 'chart-large' })
  const legend = build('p', { class: 'legend' })
  let pool: PoolReport | undefined
  let points: readonly PoolHistoryPoint[] = []
  function show(): void {
    const ranges = line.show(points, pool)
    legend.replaceChildren(...ranges.map(([name, range]) => build('span', { class: `key ${name}` }, range)))
  }
  return {
    nodes: [build('h3', {}, 'Last hour'), line.node, legend],
    showPool(report: PoolReport) {
      pool = report
      show()
    },
    showPoints(kept: readonly PoolHistoryPoint[]) {
      points = kept
      show()
    },
  }
}

function sizePart(read: Read, above: readonly Node[], shown: (pool: PoolReport) => void) {
  const why = build('p')
  const facts = createFactList()
  const terms = createFactList()
  const termsPart = build('details', {}, build('summary', {}, 'The terms of its size'), terms.node)
  return createDetailPart<PoolReport>({
    body: [...above, build('h3', {}, 'Why this size'), why, facts.node, termsPart],
    ask: read(''),
    show(pool) {
      setText(why, whySentence(pool))
      facts.show(poolFacts(pool))
      terms.show(termFacts(pool))
      termsPart.hidden = pool.sizing === undefined
      shown(pool)
    },
    everyMs: readEveryMs,
  })
}

function rolloutPart(read: Read, shown: (report: RolloutReport) => void) {
  const message = build('p')
  const facts = createFactList()
  return createDetailPart<RolloutReport>({
    heading: 'Roll-out',
    body: [message, facts.node],
    ask: read('/rollout'),
    show(report) {
      setText(message, report.message)
      facts.show(rolloutFactsOf(report))
      shown(report)
    },
    everyMs: readEveryMs,
  })
}

function poolFacts(pool: PoolReport): readonly Fact[] {
  const { problem, configuration, sizing } = pool
  return [
    ['Idle', `${pool.ready} ready, ${pool.warming} starting; ${sizing?.target ?? pool.desired.min} wanted`],
    ['Limits', `at least ${pool.desired.min} idle, at most ${pool.desired.max} in all`],
    ['Claimed', String(pool.claimed)],
    ['Waiting', String(pool.waiting)],
    [
      'Leaving',
      pool.draining + pool.failed === 0 ? undefined : `${pool.draining} draining, ${pool.failed} failed`,
    ],
    [
      'Hit rate',
      pool.hitRate === undefined ? undefined : `${percentText(pool.hitRate)} of the last 1,000 sessions`,
    ],
    ['Bound by', pool.boundBy],
    ['Quota', pool.quotaPods === undefined ? undefined : `${pool.quotaPods} pods`],
    [
      'Problem',
      problem && `${problem.message} (${problem.count}×, since ${momentText(Date.parse(problem.since))})`,
    ],
    ['What to do', problem?.remedy],
    ['Document', documentText(configuration)],
    ['Refused', configuration.problems?.join(' ')],
  ]
}

function documentText({ seen = 'none', applied = 'none' }: PoolReport['configuration']): string {
  return seen === applied ? `version ${seen} is in force` : `version ${seen} was seen, ${applied} is in force`
}

function termFacts({ sizing }: PoolReport): readonly Fact[] {
  if (!sizing) return []
  const { terms } = sizing
  const number = (value: number | undefined) =>
    value === undefined ? undefined : String(Math.round(value * 100) / 100)
  return [
    ['Rule', terms.goal === undefined ? terms.rule : `${terms.rule} ${terms.goal}`],
    ['Demand', `${number(terms.claimsPerSecond)} sessions a second, ${number(terms.dispersion)} bursty`],
    [
      'Start of a pod',
      `${spanText(terms.leadMeanSeconds * 1_000)} on average, ${spanText(terms.leadP99Seconds * 1_000)} at p99`,
    ],
    ['The rule asks', number(terms.quantile)],
    ['Season', number(terms.season)],
    ['Feedback', number(terms.feedback)],
    [
      'Schedule',
      terms.window === undefined ? number(terms.schedule) : `${number(terms.schedule)} (${terms.window})`,
    ],
    ['Hold', number(terms.hold)],
    ['Budget', number(terms.budget)],
    ['Room', number(terms.room)],
    ['Decided by', terms.boundBy],
    ['Target', number(terms.target)],
  ]
}

function rolloutFactsOf({ phase, current, pods, canary }: RolloutReport): readonly Fact[] {
  return [
    ['Phase', phase],
    ['Revision', `${current.revision} since ${momentText(Date.parse(current.since))}`],
    ['Image', current.image],
    ['Fresh', `${pods.fresh.idle} idle, ${pods.fresh.claimed} claimed`],
    ['Drifted', `${pods.drifted.idle} idle, ${pods.drifted.claimed} claimed`],
    ['Canary', canary && `${canary.passed} of ${canary.pods} passed`],
  ]
}

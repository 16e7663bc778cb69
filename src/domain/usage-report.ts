import { type Static, Type } from 'typebox'
import { orUndefined } from './or-undefined.ts'
import type { UsageSum, UsageWindow } from './pod-life.ts'
import { shareOut } from './share-out.ts'

/** What a report has one row for. */
export const UsageBy = Type.Union([
  Type.Literal('project'),
  Type.Literal('pool'),
  Type.Literal('project,pool'),
])
export type UsageBy = Static<typeof UsageBy>

const Time = (description: string) => Type.String({ format: 'date-time', description })
const Seconds = (description: string) => Type.Number({ minimum: 0, description })

const amounts = {
  sessions: Type.Integer({ minimum: 0, description: 'Sessions that had a pod in the window.' }),
  sessionSeconds: Seconds('From the claim of a pod to the end of its session.'),
  idleSeconds: Seconds('The rest of the pod time, shared out in proportion to sessionSeconds in each pool.'),
  podSeconds: Seconds('sessionSeconds + idleSeconds.'),
  cost: orUndefined(
    Type.Number({ minimum: 0, description: 'podSeconds by the price. Absent where a pool has no price.' }),
  ),
}

const UsageRow = Type.Object({
  projectId: orUndefined(Type.String()),
  agentType: orUndefined(Type.String()),
  unshared: orUndefined(
    Type.Literal(true, { description: 'Idle time of a pool without sessions in the window: of no project.' }),
  ),
  ...amounts,
})
type UsageRow = Static<typeof UsageRow>

/** `GET /v1/usage`. Seconds have three decimals and costs six; rows add up to the total exactly. */
export const UsageReport = Type.Object({
  from: Time('The begin of the window, included.'),
  to: Time('The end of the window, excluded.'),
  until: Time('What exists is counted up to here: `to`, or the time of the report if that is earlier.'),
  by: UsageBy,
  rows: Type.Array(UsageRow),
  total: Type.Object({
    ...amounts,
    startingSeconds: Seconds('The part of idleSeconds before the pods were Ready.'),
  }),
  inexactSeconds: Seconds(
    'By how much podSeconds may be wrong: pods that came or went while no controller watched.',
  ),
  prices: Type.Record(Type.String(), Type.Number(), {
    description: 'Per pod-hour, of the pools in the report.',
  }),
})
export type UsageReport = Static<typeof UsageReport>

interface UsageReportInput {
  readonly window: UsageWindow
  /** Epoch ms. */
  readonly until: number
  readonly by: UsageBy
  /** By pool and project. */
  readonly sums: readonly UsageSum[]
  /** Per pod-hour; undefined for a pool without a price. */
  readonly priceOf: (agentType: string) => number | undefined
}

/** One pool's part of one row, in whole ms and millionths of the currency. */
interface Part {
  readonly agentType: string
  readonly projectId: string | undefined
  readonly unshared: boolean
  readonly sessions: number
  readonly sessionMs: number
  readonly idleMs: number
  readonly costMicros: number | undefined
}

const hourMs = 3_600_000n
const micros = 1_000_000

/** Makes the report of the sums of a window. Pure: the same sums give the same report. */
export function usageReport({ window, until, by, sums, priceOf }: UsageReportInput): UsageReport {
  const pools = Map.groupBy(sums, ({ agentType }) => agentType)
  const parts = [...pools].flatMap(([agentType, ofPool]) => partsOf(agentType, ofPool, priceOf(agentType)))
  const keyOf = ({ agentType, projectId, unshared }: Part) =>
    JSON.stringify([
      by === 'project' ? undefined : agentType,
      by === 'pool' ? undefined : [projectId, unshared],
    ])
  const rows = [...Map.groupBy(parts, keyOf).values()].map((ofRow) => rowOf(ofRow, by)).sort(inOrder)
  const prices = [...pools.keys()].flatMap((agentType) => {
    const price = priceOf(agentType)
    return price === undefined ? [] : [[agentType, price] as const]
  })
  return {
    from: isoOf(window.from),
    to: isoOf(window.to),
    until: isoOf(until),
    by,
    rows,
    total: { ...amountsOf(parts), startingSeconds: secondsOf(sumOf(sums, (sum) => sum.startingMs)) },
    inexactSeconds: secondsOf(sumOf(sums, (sum) => sum.inexactMs)),
    prices: Object.fromEntries(prices),
  }
}

/** The projects of one pool, each with its share of the idle time; without sessions, one part of no project. */
function partsOf(agentType: string, sums: readonly UsageSum[], price: number | undefined): Part[] {
  const podMs = sumOf(sums, (sum) => sum.podMs)
  // In order, because equal remainders of the share go to the first.
  const used = sums
    .filter((sum) => sum.sessionMs > 0)
    .sort((a, b) => ((a.projectId ?? '') < (b.projectId ?? '') ? -1 : 1))
  const idleMs = podMs - sumOf(used, (sum) => sum.sessionMs)
  const shares = shareOut(
    idleMs,
    used.map((sum) => sum.sessionMs),
  )
  const parts =
    used.length === 0
      ? [{ projectId: undefined, unshared: true, sessions: 0, sessionMs: 0, idleMs }]
      : used.map(({ projectId, sessions, sessionMs }, at) => ({
          projectId,
          unshared: false,
          sessions,
          sessionMs,
          idleMs: shares[at] ?? 0,
        }))
  const costs =
    price === undefined
      ? undefined
      : shareOut(
          costMicrosOf(podMs, price),
          parts.map((part) => part.sessionMs + part.idleMs),
        )
  return parts.map((part, at) => ({ ...part, agentType, costMicros: costs?.[at] }))
}

/** Rounded to a millionth, half up. */
function costMicrosOf(podMs: number, price: number): number {
  const product = BigInt(podMs) * BigInt(Math.round(price * micros))
  return Number((product + hourMs / 2n) / hourMs)
}

function rowOf(parts: readonly Part[], by: UsageBy): UsageRow {
  const [{ agentType, projectId, unshared }] = parts as [Part]
  return {
    projectId: by === 'pool' ? undefined : projectId,
    agentType: by === 'project' ? undefined : agentType,
    unshared: by !== 'pool' && unshared ? true : undefined,
    ...amountsOf(parts),
  }
}

function amountsOf(parts: readonly Part[]) {
  const sessionMs = sumOf(parts, (part) => part.sessionMs)
  const idleMs = sumOf(parts, (part) => part.idleMs)
  const priced = parts.every(({ costMicros }) => costMicros !== undefined)
  return {
    sessions: sumOf(parts, (part) => part.sessions),
    sessionSeconds: secondsOf(sessionMs),
    idleSeconds: secondsOf(idleMs),
    podSeconds: secondsOf(sessionMs + idleMs),
    cost: priced ? sumOf(parts, (part) => part.costMicros ?? 0) / micros : undefined,
  }
}

/** The most pod time first, what is unshared last; then by name, so that equal input gives equal output. */
function inOrder(a: UsageRow, b: UsageRow): number {
  const nameOf = (row: UsageRow) => `${row.projectId ?? ''}\n${row.agentType ?? ''}`
  const rank = ({ unshared }: UsageRow) => (unshared ? 1 : 0)
  return rank(a) - rank(b) || b.podSeconds - a.podSeconds || (nameOf(a) < nameOf(b) ? -1 : 1)
}

function sumOf<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((sum, item) => sum + of(item), 0)
}

function secondsOf(ms: number): number {
  return ms / 1_000
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString()
}

import type { PoolReport } from '../client/api-types.ts'
import type { PoolHistoryPoint } from '../domain/pool-history.ts'
import { build, byId, setText } from './build-element.ts'
import { createKeyedList, type KeyedRow } from './keyed-list.ts'
import { createPlaceLink } from './place-link.ts'
import { shownMinutes } from './pool-histories.ts'
import type { Known } from './reading.ts'
import { createSparkline } from './sparkline.ts'

/** A page of pools: the document stays small however many there are. */
const shownAtOnce = 25

interface PoolTableOptions {
  /** The pools that are shown now have changed. */
  readonly onShown: (agentTypes: readonly string[]) => void
}

export interface PoolRow {
  readonly pool: PoolReport
  readonly points: readonly PoolHistoryPoint[]
}

export function createPoolTable({ onShown }: PoolTableOptions) {
  const list = createKeyedList<PoolRow>(byId('pool-rows'), {
    keyOf: ({ pool }) => pool.agentType,
    make: makeRow,
  })
  const filter = byId('pool-filter', HTMLInputElement)
  const more = byId('pools-more', HTMLButtonElement)
  let pools: readonly PoolReport[] = []
  let histories: ReadonlyMap<string, readonly PoolHistoryPoint[]> = new Map()
  let from = 0
  let shown = ''

  function render(): void {
    const found = pools.filter(({ agentType }) => agentType.includes(filter.value.trim()))
    if (from >= found.length) from = 0
    const page = found.slice(from, from + shownAtOnce)
    list.show(page.map((pool) => ({ pool, points: histories.get(pool.agentType) ?? [] })))
    byId('pool-paging').hidden = pools.length <= shownAtOnce
    more.hidden = found.length <= shownAtOnce
    const last = Math.min(from + shownAtOnce, found.length)
    setText(more, last < found.length ? `Next pools (${from + 1}–${last} of ${found.length})` : 'First pools')
    const names = page.map(({ agentType }) => agentType)
    if (names.join() === shown) return
    shown = names.join()
    onShown(names)
  }

  filter.addEventListener('input', () => {
    from = 0
    render()
  })
  more.addEventListener('click', () => {
    from += shownAtOnce
    render()
  })

  return {
    show({ value, trouble }: Known<{ readonly pools: readonly PoolReport[] }>) {
      // Those that need a person come first, then in order of their names as the API gives them.
      pools = [...(value?.pools ?? [])].sort((a, b) => urgency(b) - urgency(a))
      byId('no-pools').hidden = !value || trouble !== undefined || pools.length > 0
      render()
    },
    /** Somebody has signed in again: what is shown is followed anew. */
    restart() {
      shown = ''
    },
    showHistories(next: ReadonlyMap<string, readonly PoolHistoryPoint[]>) {
      histories = next
      render()
    },
  }
}

function urgency({ problem, waiting, ready, desired }: PoolReport): number {
  return problem ? 2 : waiting > 0 || (ready === 0 && desired.min > 0) ? 1 : 0
}

function makeRow({ pool: { agentType } }: PoolRow): KeyedRow<PoolRow> {
  const link = createPlaceLink(agentType, { pool: agentType })
  const marks = build('span', { class: 'marks' })
  const line = createSparkline({ minutes: shownMinutes, look: 'spark' })
  const idle = build('span')
  const starting = build('small')
  const cells = {
    idle: cell('Idle', idle, starting),
    claimed: cell('Claimed'),
    waiting: cell('Waiting'),
    hitRate: cell('Hit rate'),
  }
  const why = build('td', { role: 'cell', class: 'why', 'data-label': 'Why' })
  const node = build(
    'tr',
    { role: 'row' },
    build('th', { role: 'rowheader', scope: 'row' }, link, marks),
    build('td', { role: 'cell', class: 'chart' }, line.node),
    ...Object.values(cells),
    why,
  )
  return {
    node,
    show({ pool, points }) {
      const { ready, warming, sizing, claimed, waiting, hitRate } = pool
      node.dataset.state = urgency(pool) > 0 ? 'bad' : 'ok'
      setText(idle, `${ready} of ${sizing?.target ?? pool.desired.min}`)
      setText(starting, warming > 0 ? `${warming} starting` : '')
      setText(cells.claimed, String(claimed))
      setText(cells.waiting, String(waiting))
      cells.waiting.classList.toggle('bad', waiting > 0)
      setText(cells.hitRate, hitRate === undefined ? '–' : percentText(hitRate))
      setText(why, whySentence(pool))
      line.show(points, pool)
      showMarks(marks, marksOf(pool))
    },
  }
}

function cell(label: string, ...children: readonly HTMLElement[]): HTMLTableCellElement {
  return build('td', { role: 'cell', class: 'number', 'data-label': label }, ...children)
}

/** Never rounded up to a promise that was not kept: 99.96 % is 99.9 %. */
export function percentText(share: number): string {
  return `${(Math.floor(share * 1_000) / 10).toFixed(share === 1 ? 0 : 1)} %`
}

/** What keeps the pool from its pods, else where its size comes from. */
export function whySentence({ problem, message, sizing, desired }: PoolReport): string {
  return (
    problem?.message ??
    message ??
    sizing?.sentence ??
    `At least ${desired.min} idle, at most ${desired.max} in all.`
  )
}

export function marksOf({ problem, boundBy, sizing, configuration }: PoolReport): readonly string[] {
  const isBehind = configuration.seen !== configuration.applied
  return [
    ...(problem ? [problem.cause] : []),
    ...(boundBy !== undefined && boundBy !== problem?.cause ? [boundBy] : []),
    ...(sizing?.mode === 'recommend' ? ['recommends only'] : []),
    ...(isBehind ? ['newer document refused'] : []),
  ]
}

function showMarks(parent: HTMLElement, marks: readonly string[]): void {
  if (parent.textContent === marks.join('')) return
  parent.replaceChildren(...marks.map((mark) => build('span', { class: 'mark' }, mark)))
}

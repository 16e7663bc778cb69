import type { TimelineStep } from '../domain/session-timeline.ts'
import { build, setText } from './build-element.ts'
import { createKeyedList, type KeyedRow } from './keyed-list.ts'
import { momentElement, showMoment, spanText } from './time-text.ts'

interface TimelineRow {
  readonly step: TimelineStep
  /** Of the longest step, from 0 to 1. */
  readonly share: number
}

/** The steps of a session below each other, each with its milliseconds and a bar that shows which one was long. */
export function createTimeline() {
  const node = build('ol', { class: 'timeline' })
  const list = createKeyedList<TimelineRow>(node, { keyOf: ({ step }) => step.step, make: makeStep })
  return {
    node,
    show: (steps: readonly TimelineStep[]) => list.show(timelineRows(steps)),
  }
}

function timelineRows(steps: readonly TimelineStep[]): TimelineRow[] {
  const longest = Math.max(1, ...steps.map(({ ms = 0 }) => ms))
  return steps.map((step) => ({ step, share: (step.ms ?? 0) / longest }))
}

function makeStep(): KeyedRow<TimelineRow> {
  const name = build('span')
  const took = build('b')
  const at = momentElement(undefined)
  const detail = build('small')
  const bar = build('i', { 'aria-hidden': 'true' })
  const node = build('li', {}, name, took, at, detail, bar)
  return {
    node,
    show({ step: { step, ms, at: when, count, detail: more = '' }, share }) {
      setText(name, stepName(step))
      setText(took, ms === undefined ? (count === undefined ? '' : `${count}×`) : spanText(ms))
      showMoment(at, when)
      setText(detail, more)
      detail.hidden = more === ''
      bar.style.setProperty('--share', `${Math.round(share * 100)}%`)
    },
  }
}

/** `agent-joined` → Agent joined. */
function stepName(step: string): string {
  const words = step.replaceAll('-', ' ')
  return words.slice(0, 1).toUpperCase() + words.slice(1)
}

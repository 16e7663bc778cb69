import type { StatusPart, StatusPartName, StatusReport } from '../domain/status-report.ts'
import { build, byId, setText } from './build-element.ts'
import { createKeyedList, type KeyedRow } from './keyed-list.ts'
import type { Known } from './reading.ts'
import { momentText } from './time-text.ts'

const names: Readonly<Record<StatusPartName, string>> = {
  kubernetes: 'Kubernetes',
  postgresql: 'PostgreSQL',
  redis: 'Redis',
  livekit: 'LiveKit',
  webhook: 'Webhook',
  'webhook-certificate': 'Certificate',
  controller: 'Controller',
  'agent-policy': 'Policy',
  'agent-pools': 'Pools document',
}

/** The one line that says whether everything is well, and a chip for each part. */
export function createStateLine() {
  const chips = createKeyedList<StatusPart>(byId('parts'), { keyOf: ({ part }) => part, make: makeChip })
  const facts = createKeyedList<StatusPart>(byId('part-facts'), { keyOf: ({ part }) => part, make: makeFact })
  return {
    show({ value, trouble }: Known<StatusReport>) {
      const title = byId('state-title')
      title.dataset.state = value && !trouble ? value.state : trouble ? 'unknown' : 'reading'
      setText(
        byId('state-text'),
        value && !trouble ? sentenceOf(value) : trouble ? 'The state is not known' : 'Reading the state',
      )
      document.title = `${value?.state === 'attention' ? `(${value.problems.length || '!'}) ` : ''}Greenroom`
      if (!value) return
      setText(byId('state-totals'), totalsText(value))
      chips.show(value.parts)
      facts.show(value.parts)
      byId('parts-detail').hidden = false
    },
  }
}

function sentenceOf({ state, parts, problems }: StatusReport): string {
  if (state === 'ok') return 'All is well'
  const bad = parts.filter((part) => part.state !== 'ok' && part.state !== 'off')
  const [first] = bad
  const named = first
    ? `${nameOf(first)} is ${first.state}`
    : problems[0]
      ? `${capital(problems[0].subject)} needs attention`
      : 'Something needs attention'
  const more = Math.max(bad.length, problems.length) - 1
  return more > 0 ? `${named}, and ${more} more` : named
}

function totalsText({ totals }: StatusReport): string {
  const counts = [
    ['pool', 'pools', totals.pools],
    ['idle', 'idle', totals.idle],
    ['starting', 'starting', totals.warming],
    ['claimed', 'claimed', totals.claimed],
    ['waiting', 'waiting', totals.waiting],
    ['session', 'sessions', totals.sessions],
  ] as const
  return counts
    .filter(([, , count]) => count !== undefined)
    .map(([one, many, count]) => `${count?.toLocaleString()} ${count === 1 ? one : many}`)
    .join(' · ')
}

function makeChip(): KeyedRow<StatusPart> {
  const name = build('span')
  const state = build('span', { class: 'chip-state' })
  const node = build('li', {}, build('span', { class: 'dot', 'aria-hidden': 'true' }), name, state)
  return {
    node,
    show(part) {
      node.dataset.state = part.state
      node.title = part.detail
      setText(name, nameOf(part))
      setText(state, chipState(part))
    },
  }
}

/** Nothing where all is well, but for the days that a certificate has left. */
function chipState({ state, daysLeft }: StatusPart): string {
  const days = daysLeft === undefined ? '' : `${Math.floor(daysLeft)} d left`
  return state === 'ok' ? days : [state, days].filter(Boolean).join(', ')
}

function makeFact(): KeyedRow<StatusPart> {
  const name = build('dt')
  const says = build('dd')
  const node = build('div', {}, name, says)
  return {
    node,
    show(part) {
      node.dataset.state = part.state
      setText(name, nameOf(part))
      setText(says, `${part.detail}${since(part)}${generationText(part)}`)
    },
  }
}

function since({ since: at }: StatusPart): string {
  return at === undefined ? '' : ` Since ${momentText(Date.parse(at))}.`
}

function generationText({ generation }: StatusPart): string {
  if (!generation) return ''
  const { seen = 'none', applied = 'none' } = generation
  return seen === applied
    ? ` Version ${seen} is in force.`
    : ` Version ${seen} was seen, ${applied} is in force.`
}

function nameOf({ part }: StatusPart): string {
  return names[part] ?? part
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1)
}

import fc from 'fast-check'
import t from 'tap'
import { createHistory, type HistoryEntry, type Operation, type Outcome } from './history.ts'
import { violationsOf } from './linearizability.ts'

/** The judge of the fault tests: what it accepts and what it must not. */

/** `[invoked at, answered at, operation, outcome]`; each a process of its own. */
type Line = readonly [from: number, until: number, operation: Operation, outcome: Outcome]

function historyOf(lines: readonly Line[]): readonly HistoryEntry[] {
  let clock = 0
  const history = createHistory(() => clock)
  const moments = lines.flatMap((line, process) => [
    { at: line[0], process, line },
    { at: line[1], process, line: undefined },
  ])
  const settle: ((outcome: Outcome) => void)[] = []
  // At the same moment questions come before answers, so that the two overlap.
  const inOrder = moments.toSorted(
    (a, b) => a.at - b.at || Number(a.line === undefined) - Number(b.line === undefined),
  )
  for (const { at, process, line } of inOrder) {
    clock = at
    if (line) settle[process] = history.invoke(process, line[2])
    else settle[process]?.((lines[process] as Line)[3])
  }
  return history.entries()
}

const kindsOf = (lines: readonly Line[]) =>
  violationsOf(historyOf(lines)).map(({ kind, subject }) => `${kind} ${subject}`)

const open = (key?: string): Operation => ({ kind: 'open', key })
const renew = (session: string, epoch = 1): Operation => ({ kind: 'renew', session, epoch })
const end = (session: string): Operation => ({ kind: 'end', session })
const read = (session: string): Operation => ({ kind: 'read', session })
const ok = (session: string, pod: string, { epoch = 1, live = true } = {}): Outcome => ({
  type: 'ok',
  answer: { session, pod, epoch, live },
})
const fail = (code: string): Outcome => ({ type: 'fail', code })
const unknown: Outcome = { type: 'unknown', code: 'ECONNRESET' }

void t.test('histories that can be explained', async (t) => {
  const good: Record<string, readonly Line[]> = {
    'a whole life': [
      [0, 1, open('k'), ok('s', 'p')],
      [2, 3, renew('s'), ok('s', 'p')],
      [4, 5, end('s'), ok('s', 'p', { live: false })],
      [6, 7, end('s'), ok('s', 'p', { live: false })],
      [8, 9, renew('s'), fail('GRN_SESSION_OVER')],
      [10, 11, open('k'), ok('s', 'p', { live: false })],
    ],
    'two pods, two sessions, all at once': [
      [0, 9, open(), ok('s', 'p')],
      [0, 9, open(), ok('r', 'q')],
    ],
    'a retry follows the first': [
      [0, 9, open('k'), ok('s', 'p')],
      [1, 5, open('k'), ok('s', 'p')],
    ],
    'a renewal that overlaps the end': [
      [0, 1, open(), ok('s', 'p')],
      [2, 9, end('s'), ok('s', 'p', { live: false })],
      [3, 5, renew('s'), ok('s', 'p')],
      [3, 6, renew('s'), fail('GRN_SESSION_OVER')],
    ],
    'a cold open that waits, and gets its pod': [
      [0, 1, open('k'), ok('s', '')],
      [2, 3, renew('s'), ok('s', '')],
      [4, 9, read('s'), ok('s', 'p', { epoch: 2 })],
      [5, 6, open('k'), ok('s', 'p', { epoch: 2 })],
      [10, 11, renew('s', 2), ok('s', 'p', { epoch: 2 })],
      [12, 13, end('s'), ok('s', 'p', { epoch: 2, live: false })],
    ],
    'cold opens that never get one': [
      [0, 1, open('k'), ok('s', '')],
      [0, 1, open('m'), ok('r', '')],
      [2, 3, end('s'), ok('s', '', { live: false })],
      [4, 5, read('r'), ok('r', '', { live: false })],
      [6, 7, renew('r'), fail('GRN_SESSION_OVER')],
    ],
    'a lease that lapsed by itself': [
      [0, 1, open(), ok('s', 'p')],
      [2, 3, renew('s'), fail('GRN_SESSION_OVER')],
    ],
    'an end that nobody heard of takes effect late, or never': [
      [0, 1, open(), ok('s', 'p')],
      [2, 3, end('s'), unknown],
      [4, 5, renew('s'), ok('s', 'p')],
      [6, 7, read('s'), ok('s', 'p', { live: false })],
    ],
    'an open that nobody heard of, then its retry': [
      [0, 1, open('k'), unknown],
      [2, 3, open('k'), ok('s', 'p')],
      [4, 5, renew('s', 2), fail('GRN_STALE_EPOCH')],
    ],
    'what is refused has no effect': [
      [0, 1, open('k'), fail('GRN_POOL_EMPTY')],
      [2, 3, open('k'), ok('s', 'p', { epoch: 2 })],
    ],
  }
  for (const [name, lines] of Object.entries(good)) t.same(kindsOf(lines), [], name)
})

void t.test('histories that cannot', async (t) => {
  const bad: Record<string, readonly [readonly Line[], readonly string[]]> = {
    'one pod for two sessions': [
      [
        [0, 9, open(), ok('s', 'p')],
        [0, 9, open(), ok('r', 'p')],
      ],
      ['not-linearizable p'],
    ],
    'a pod that served is given again': [
      [
        [0, 1, open(), ok('s', 'p')],
        [2, 3, end('s'), ok('s', 'p', { live: false })],
        [4, 5, open(), ok('r', 'p')],
      ],
      ['not-linearizable p'],
    ],
    'renewed after the end was answered': [
      [
        [0, 1, open(), ok('s', 'p')],
        [2, 3, end('s'), ok('s', 'p', { live: false })],
        [4, 5, renew('s'), ok('s', 'p')],
      ],
      ['not-linearizable p'],
    ],
    'renewed after it was said to be over': [
      [
        [0, 1, open(), ok('s', 'p')],
        [2, 3, renew('s'), fail('GRN_SESSION_OVER')],
        [4, 5, renew('s'), ok('s', 'p')],
      ],
      ['not-linearizable p'],
    ],
    'renewed with an epoch that was never given': [
      [
        [0, 1, open(), ok('s', 'p')],
        [2, 3, renew('s', 7), ok('s', 'p')],
      ],
      ['not-linearizable p'],
    ],
    'a live session is told that its own epoch is stale': [
      [
        [0, 1, open(), ok('s', 'p')],
        [2, 3, renew('s'), fail('GRN_STALE_EPOCH')],
        [4, 5, renew('s'), ok('s', 'p')],
      ],
      ['not-linearizable p'],
    ],
    'alive again after the end': [
      [
        [0, 1, open('k'), ok('s', 'p')],
        [2, 3, end('s'), ok('s', 'p', { live: false })],
        [4, 5, open('k'), ok('s', 'p')],
      ],
      ['not-linearizable p'],
    ],
    'a session that nobody knows any more': [
      [
        [0, 1, open(), ok('s', 'p')],
        [2, 3, renew('s'), fail('GRN_SESSION_NOT_FOUND')],
      ],
      ['not-linearizable p'],
    ],
    'a session that changes its pod': [
      [
        [0, 1, open('k'), ok('s', 'p')],
        [2, 3, open('k'), ok('s', 'q', { epoch: 2 })],
      ],
      ['two-pods s'],
    ],
    'a cold session that changes its pod once it was ACTIVE': [
      [
        [0, 1, open('k'), ok('s', '')],
        [2, 3, read('s'), ok('s', 'p')],
        [4, 5, read('s'), ok('s', 'q', { epoch: 2 })],
      ],
      ['not-linearizable q', 'two-pods s'],
    ],
    'a cold session on the pod of another': [
      [
        [0, 1, open('k'), ok('s', '')],
        [2, 3, open('m'), ok('r', 'p')],
        [4, 5, read('s'), ok('s', 'p')],
      ],
      ['not-linearizable p'],
    ],
    'a key that names two sessions': [
      [
        [0, 9, open('k'), ok('s', 'p')],
        [0, 9, open('k'), ok('r', 'q')],
      ],
      ['two-sessions k'],
    ],
  }
  for (const [name, [lines, violations]] of Object.entries(bad)) t.same(kindsOf(lines), violations, name)
})

void t.test('a violation shows the operations that cannot all be true', async (t) => {
  const [violation] = violationsOf(
    historyOf([
      [0, 1, open('k1'), ok('s', 'p')],
      [2, 3, open('k2'), ok('r', 'p')],
      [4, 5, open('k3'), ok('x', 'q')],
    ]),
  )
  t.same(violation?.calls, [
    '#1 p0 open k1 [0.0 … 1.0] → ok session s pod p epoch 1',
    '#2 p1 open k2 [2.0 … 3.0] → ok session r pod p epoch 1',
  ])
})

void t.test('an outcome is given once', async (t) => {
  const settle = createHistory().invoke(1, open())
  settle(unknown)
  t.throws(() => settle(unknown), /operation 1 has two outcomes/)
})

/** What really happened, in order; the history shows each event within an interval around its moment. */
interface Event {
  readonly pod: number
  readonly action: 'open' | 'retry' | 'renew' | 'end' | 'stale'
  readonly before: number
  readonly after: number
  /** The caller does not hear. */
  readonly lost: boolean
}

const event: fc.Arbitrary<Event> = fc.record({
  pod: fc.nat(3),
  action: fc.constantFrom('open', 'retry', 'renew', 'renew', 'end', 'stale'),
  before: fc.integer({ min: 1, max: 40 }),
  after: fc.integer({ min: 1, max: 40 }),
  lost: fc.boolean(),
})

/** Runs the events one after the other on the plainest model there is; each takes effect at ten times its number. */
function linesOf(events: readonly Event[]): Line[] {
  const states = new Map<number, 'claimed' | 'ended'>()
  return events.flatMap((happening, n): Line[] => {
    const { pod, action, lost } = happening
    const [session, podUid, at] = [`s${pod}`, `p${pod}`, 10 * (n + 1)]
    const state = states.get(pod)
    const line = (operation: Operation, heard: Outcome): Line[] => [
      [at - happening.before, at + happening.after, operation, lost ? unknown : heard],
    ]
    if (!state) {
      if (action !== 'open') return []
      states.set(pod, 'claimed')
      // The callers of the other operations know the session: this answer must have been heard before them.
      return [[at - happening.before, at, open(`k${pod}`), ok(session, podUid)]]
    }
    const live = state === 'claimed'
    if (action === 'open' || action === 'retry') return line(open(`k${pod}`), ok(session, podUid, { live }))
    if (action === 'stale') return line(renew(session, 9), fail('GRN_STALE_EPOCH'))
    if (action === 'renew') return line(renew(session), live ? ok(session, podUid) : fail('GRN_SESSION_OVER'))
    states.set(pod, 'ended')
    return line(end(session), ok(session, podUid, { live: false }))
  })
}

void t.test('whatever overlaps, what was true in some order is accepted', async (t) => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      const violations = violationsOf(historyOf(linesOf(events)))
      if (violations.length > 0) throw new Error(JSON.stringify(violations, null, 1))
    }),
    { numRuns: 400 },
  )
  t.pass('400 histories')
})

void t.test('a double claim planted anywhere is found', async (t) => {
  fc.assert(
    fc.property(
      fc.array(event, { maxLength: 60 }),
      fc.nat(700),
      fc.integer({ min: 1, max: 50 }),
      (events, from, ms) => {
        const lines: Line[] = [
          [0, 5, open('k0'), ok('s0', 'p0')],
          ...linesOf(events).filter(([, , , o]) => o.type === 'ok'),
        ]
        const planted: Line = [from, from + ms, open('other'), ok('other', 'p0')]
        const found = violationsOf(historyOf([...lines, planted]))
        if (!found.some(({ kind, subject }) => kind === 'not-linearizable' && subject === 'p0'))
          throw new Error('the double claim went unseen')
      },
    ),
    { numRuns: 400 },
  )
  t.pass('400 histories')
})

void t.test('a renewal planted after an answered end is found', async (t) => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 40 }), fc.integer({ min: 1, max: 30 }), (events, ms) => {
      const lines = linesOf(events)
      const ended = lines.find(([, , operation, { type }]) => operation.kind === 'end' && type === 'ok')
      if (!ended || ended[2].kind !== 'end') return
      const { session } = ended[2]
      const from = ended[1] + 1
      const planted: Line = [from, from + ms, renew(session), ok(session, session.replace('s', 'p'))]
      if (violationsOf(historyOf([...lines, planted])).length === 0)
        throw new Error('the late renewal went unseen')
    }),
    { numRuns: 400 },
  )
  t.pass('400 histories')
})

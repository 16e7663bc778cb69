import t from 'tap'
import { createPodLives } from '../../src/controllers/pod-lives.ts'
import type { AgentPod } from '../../src/domain/agent-pod.ts'
import type { PodLifeNote, PresentPod } from '../../src/domain/pool-ports.ts'
import { createMetrics } from '../../src/metrics.ts'
import { newPod } from '../support/fake-pod-view.ts'
import { keptLog } from '../support/kept-log.ts'

/** What one process notes of pods, with a ledger in memory and clocks that the test moves. */
function bed() {
  const start = Date.UTC(2026, 10, 1)
  let elapsedMs = 100_000
  let stale = false
  let synced = true
  let fault: Error | undefined
  let whileNoting = () => {}
  const present = new Map<string, AgentPod>()
  const notes: PodLifeNote[] = []
  const calls: string[] = []
  const compared: { present: readonly PresentPod[]; open: readonly string[]; listedAgoMs: number }[] = []
  const { logger, lines } = keptLog()
  const answer = (call: string) => {
    calls.push(call)
    if (fault) throw fault
  }
  const lives = createPodLives({
    lives: {
      async note(batch) {
        if (batch.length === 0) return
        answer(`note ${batch.length}`)
        notes.push(...batch)
        whileNoting()
      },
      async compare(pods, view) {
        answer('compare')
        compared.push({ present: [...pods], ...view })
        return { begun: 0, ended: 0 }
      },
      noteLooked: async () => answer('looked'),
      async settle() {
        answer('settle')
        return 0
      },
      purge: () => Promise.reject(new Error('not here')),
    },
    pods: { all: () => [...present.values()], synced: () => synced },
    isStale: () => stale,
    metrics: createMetrics(),
    logger,
    now: () => start + elapsedMs,
    monotonicMs: () => elapsedMs,
  })
  const show = (uid: string, change: Partial<AgentPod> = {}) => {
    const createdAt = Math.floor((start + elapsedMs) / 1_000) * 1_000
    const pod = { ...(present.get(uid) ?? newPod({ uid, createdAt })), ...change }
    present.set(uid, pod)
    lives.seen({ pod, gone: false })
  }
  return {
    ...lives,
    notes,
    calls,
    compared,
    lines,
    show,
    lose: (uid: string, { absent = false } = {}): void => {
      const pod = present.get(uid)
      present.delete(uid)
      if (pod) lives.seen({ pod, gone: true, absent })
    },
    advance: (ms: number) => void (elapsedMs += ms),
    now: () => start + elapsedMs,
    setStale: (value: boolean) => void (stale = value),
    setSynced: (value: boolean) => void (synced = value),
    setWhileNoting: (value: () => void) => void (whileNoting = value),
    setFault: (value: Error | undefined) => void (fault = value),
  }
}

void t.test('events are noted with the time they came at, however late they are written', async (t) => {
  const { advance, created, look, lose, notes, show } = bed()
  show('a')
  advance(10)
  created({ podUid: 'a', agentType: 'echo-agent' })
  advance(1_990)
  show('a', { readySince: 1 })
  advance(500)
  show('a', { readySince: 1, ip: '127.0.0.2' })
  await look()
  t.match(notes, [
    { podUid: 'a', createdAgoMs: 2_500, readyAgoMs: 500, goneAgoMs: undefined, deletingAt: undefined },
  ])
  advance(3_000)
  show('a', { deletingSince: 123 })
  lose('a')
  advance(250)
  await look()
  t.match(notes[1], {
    podUid: 'a',
    deletingAt: 123,
    goneAgoMs: 250,
    goneInexactMs: 0,
    createdAgoMs: undefined,
  })
  await look()
  t.equal(notes.length, 2, 'what is written is not written again')
})

void t.test(
  'the answer to a create counts when the event comes after it, and the creationTimestamp bounds a late event',
  async (t) => {
    const { advance, created, look, notes, show } = bed()
    created({ podUid: 'a', agentType: 'echo-agent' })
    advance(100)
    show('a')
    show('late', { createdAt: 0 })
    const aged = bed()
    aged.show('b', { createdAt: aged.now() - 1_400 })
    aged.show('old', { createdAt: aged.now() - 60_000, readySince: aged.now() })
    await look()
    await aged.look()
    t.match(notes, [{ podUid: 'a', createdAgoMs: 100 }])
    t.same(
      aged.notes.map(({ podUid, createdAgoMs }) => [podUid, createdAgoMs]),
      [['b', 401]],
      'less than a second after its timestamp; one that has existed for a while is left to the comparison',
    )
  },
)

void t.test('an absence is as exact as the view was young', async (t) => {
  const { advance, look, lose, notes, now, setStale, show } = bed()
  for (const uid of ['a', 'b', 'c']) show(uid)
  await look()
  setStale(true)
  advance(60_000)
  await look()
  setStale(false)
  show('b', { deletingSince: now() - 20_000 })
  lose('a', { absent: true })
  advance(1)
  await look()
  t.match(
    notes.find(({ podUid, goneAgoMs }) => podUid === 'a' && goneAgoMs !== undefined),
    { goneAgoMs: 1, goneInexactMs: 0 },
  )

  const away = bed()
  away.show('d', { deletingSince: away.now() + 5_000 })
  away.show('e')
  away.advance(60_000)
  away.lose('d', { absent: true })
  away.lose('e', { absent: true })
  await away.look()
  t.match(away.notes, [
    { podUid: 'd', goneAgoMs: 55_000, goneInexactMs: 60_000 },
    { podUid: 'e', goneAgoMs: 0, goneInexactMs: 60_000 },
  ])
})

void t.test('what could not be written is written later, with what came meanwhile', async (t) => {
  const { advance, look, notes, setFault, show } = bed()
  show('a')
  setFault(new Error('away'))
  await t.rejects(look(), /away/)
  advance(700)
  show('a', { readySince: 1 })
  show('b')
  await t.rejects(look(), /away/)
  setFault(undefined)
  advance(300)
  await look()
  t.match(notes, [
    { podUid: 'a', createdAgoMs: 1_000, readyAgoMs: 300 },
    { podUid: 'b', createdAgoMs: 300 },
  ])
})

void t.test(
  'all pods are compared at first and every 30 s, never with a view that is old or not there',
  async (t) => {
    const { advance, calls, compared, created, look, setStale, setSynced, show } = bed()
    show('a', { createdAt: 0 })
    setSynced(false)
    await look()
    setSynced(true)
    setStale(true)
    await look()
    t.same(calls, [])
    setStale(false)
    created({ podUid: 'unseen', agentType: 'echo-agent' })
    await look()
    t.same(calls, ['note 1', 'compare', 'settle'])
    t.match(compared, [{ present: [{ uid: 'a' }], open: ['unseen'] }])
    for (let second = 0; second < 30; second += 1) {
      advance(1_000)
      await look()
    }
    t.same(calls.slice(3), [
      ...Array.from({ length: 5 }, () => ['looked', 'settle']).flat(),
      'compare',
      'settle',
    ])
    t.same(compared[1]?.open, ['unseen'])
    advance(31_000)
    await look()
    t.same(compared[2]?.open, [], 'it was never shown, so it is gone')
  },
)

void t.test('a comparison does not end what went while the last notes were written', async (t) => {
  const { advance, compared, look, lose, notes, setWhileNoting, show } = bed()
  show('a')
  advance(10_000)
  setWhileNoting(() => lose('a'))
  await look()
  t.match(compared, [{ present: [], open: ['a'] }], 'its exact end is still to be written')
  advance(1_000)
  await look()
  t.match(notes[1], { podUid: 'a', goneAgoMs: 1_000, goneInexactMs: 0 })
})

void t.test('a follower keeps what it saw, within bounds, and writes it when it leads', async (t) => {
  const { advance, look, lose, notes, show } = bed()
  for (let at = 0; at < 10_050; at += 1) {
    show(`p${at}`)
    lose(`p${at}`)
  }
  advance(15_000)
  await look()
  t.equal(notes.length, 10_000)
  t.match(notes.at(-1), { podUid: 'p10049', createdAgoMs: 15_000, goneAgoMs: 15_000, goneInexactMs: 0 })
})

void t.test('the end of a leadership writes once more, and its failure is told and no error', async (t) => {
  const { calls, lines, run, setFault, show } = bed()
  const leading = new AbortController()
  show('a')
  const running = run(leading.signal)
  await new Promise((resolve) => setImmediate(resolve))
  show('b')
  leading.abort()
  await running
  t.same(calls, ['note 1', 'compare', 'settle', 'note 1'])
  setFault(new Error('away'))
  show('c')
  await run(AbortSignal.abort())
  t.match(lines.join(''), /could not be written/)
})

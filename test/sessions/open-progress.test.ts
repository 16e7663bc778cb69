import t from 'tap'
import { endWait, extendWait, newOpenProgress, openDeadlineMs } from '../../src/sessions/open-progress.ts'
import { newOpening } from '../../src/sessions/opening.ts'
import { silent } from '../support/kept-log.ts'
import { agentType, poolsOf } from './open-bed.ts'

const spec = poolsOf(`pools: {${agentType}: {template: {image: echo}, min: 1, max: 9, waitMs: 700}}`).pools[
  agentType
]

void t.test('an open has its deadline beside its wait, and the whole of it again after a wait', async (t) => {
  const progress = newOpenProgress(1_000, 700)
  t.match(progress, { waitUntil: 1_700, deadline: 1_000 + openDeadlineMs })
  endWait(progress, 60_000)
  t.match(progress, { waitUntil: 1_700, deadline: 60_000 + openDeadlineMs })
  extendWait(progress, 2_000, 120_000)
  t.match(progress, { waitUntil: 122_000, deadline: 122_000 + openDeadlineMs })
})

void t.test('copies of an opening share all that changes', async (t) => {
  if (!spec) throw new Error('no pool')
  const opening = newOpening({
    request: { agentType },
    context: { idempotencyKey: undefined, signal: new AbortController().signal, logger: silent },
    spec,
    identity: { id: 'i', fingerprint: undefined },
    now: 0,
  })
  const background = { ...opening, onEmpty: 'wait' as const }
  extendWait(background.progress, 0, 120_000)
  background.progress.tried.add('pod-1')
  endWait(background.progress, 90_000)
  t.equal(opening.progress.deadline, 90_000 + openDeadlineMs)
  t.equal(opening.progress.waitUntil, 120_000)
  t.ok(opening.progress.tried.has('pod-1'))
})

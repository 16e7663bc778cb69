import t from 'tap'
import type { Wake } from '../../src/domain/index-ports.ts'
import { endReason } from '../../src/domain/session.ts'
import type { TransitionOutcome } from '../../src/domain/session-ports.ts'
import { createMetrics } from '../../src/metrics.ts'
import { createCloseSession } from '../../src/sessions/close-session.ts'
import { createRenewSession } from '../../src/sessions/renew-session.ts'
import { newSession } from '../http/api-bed.ts'
import { noneBehind, settledAlready } from '../support/nothing-unsettled.ts'

/** Renewing and closing on a store that is played here; the real one is in test/stores and in the claim tests. */
function start(outcome: TransitionOutcome) {
  const asked: unknown[][] = []
  const published: Wake[] = []
  const sessions = {
    async renew(...given: unknown[]) {
      asked.push(given)
      return outcome
    },
    async beginEnding(...given: unknown[]) {
      asked.push(given)
      return outcome
    },
  }
  const metrics = createMetrics()
  return {
    asked,
    published,
    renewals: async () =>
      (await metrics.leaseRenewals.get()).values.map(({ labels, value }) => [labels, value]),
    renew: createRenewSession({ sessions, ...settledAlready, metrics }),
    close: createCloseSession({
      sessions,
      behind: noneBehind,
      wakes: { publish: (wake) => void published.push(wake) },
    }),
  }
}

const active = newSession()
const ending = newSession({ status: 'ENDING', endReason: endReason.caller })

void t.test('a transition that was made gives the session', async (t) => {
  const { renew, renewals, close, asked, published } = start({ kind: 'done', session: active })
  t.equal(await renew(active.id, 3), active)
  t.equal(await renew(active.id, 3, 'agent'), active)
  t.equal(await close(active.id, 'agent', 3), active)
  t.same(asked, [
    [active.id, 3, false, undefined],
    [active.id, 3, true, undefined],
    [active.id, endReason.agent, 3, undefined],
  ])
  t.same(published, [], 'nothing is ending')
  t.same(await renewals(), [
    [{ by: 'caller', outcome: 'renewed' }, 1],
    [{ by: 'agent', outcome: 'renewed' }, 1],
  ])
})

void t.test(
  'the controller is woken for a session that is ending, and who ended it is its reason',
  async (t) => {
    const { close, asked, published } = start({ kind: 'done', session: ending })
    t.equal(await close(ending.id, 'caller'), ending)
    t.same(asked, [[ending.id, endReason.caller, undefined, undefined]])
    t.same(published, [{ kind: 'ending', sessionId: ending.id }])
  },
)

void t.test('one that was not made says why', async (t) => {
  const why: [TransitionOutcome, string, RegExp][] = [
    [{ kind: 'not-found' }, 'GRN_SESSION_NOT_FOUND', new RegExp(active.id)],
    [{ kind: 'stale-epoch', session: active }, 'GRN_STALE_EPOCH', /Epoch 2 .*\(3\)/],
    [{ kind: 'over', session: ending }, 'GRN_SESSION_OVER', /is ENDING/],
  ]
  for (const [outcome, code, message] of why) {
    const { renew, close, published } = start(outcome)
    await t.rejects(renew(active.id, 2), { code, message })
    await t.rejects(close(active.id, 'caller', 2), { code, message })
    t.same(published, [])
  }
})

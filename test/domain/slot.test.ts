import t from 'tap'
import { canSlotMove, type SlotState, slotStateOf, slotTransitions } from '../../src/domain/slot.ts'
import { agentPod, podClaim, retiredClaim } from './slot-views.ts'

const states = Object.keys(slotTransitions) as SlotState[]

void t.test('every state can be left but the last, and every one can be reached', async (t) => {
  for (const state of states) {
    t.equal(slotTransitions[state].length === 0, state === 'gone', state)
    if (state !== 'warming')
      t.ok(
        states.some((from) => canSlotMove(from, state)),
        `${state} can be reached`,
      )
  }
})

void t.test(
  'a pod serves at most one session: no way leads back from what came after its claim',
  async (t) => {
    const reachable = new Set<SlotState>(['draining', 'failed'])
    for (const from of reachable) for (const to of slotTransitions[from]) reachable.add(to)
    t.strictSame([...reachable].sort(), ['draining', 'failed', 'gone'])
  },
)

void t.test(
  'a reservation lapses back to ready; what was claimed, is leaving or died is never claimed',
  async (t) => {
    t.ok(canSlotMove('reserved', 'ready'))
    t.strictSame(
      states.filter((from) => canSlotMove(from, 'claimed')),
      ['warming', 'ready', 'reserved'],
    )
  },
)

void t.test('what a pod and its claim show', async (t) => {
  const ready = { readySince: 2_000 }
  const table: [string, Parameters<typeof slotStateOf>, SlotState][] = [
    ['starting', [agentPod('a'), undefined], 'warming'],
    ['Ready with an address', [agentPod('a', ready), undefined], 'ready'],
    ['Ready without an address', [agentPod('a', { ...ready, ip: undefined }), undefined], 'warming'],
    ['held by a session', [agentPod('a', ready), podClaim('a')], 'claimed'],
    ['held while PENDING', [agentPod('a', ready), podClaim('a', { sessionStatus: 'PENDING' })], 'claimed'],
    ['held and not Ready for a moment', [agentPod('a'), podClaim('a')], 'claimed'],
    ['its session ends', [agentPod('a', ready), podClaim('a', { sessionStatus: 'ENDING' })], 'draining'],
    ['its session ended', [agentPod('a', ready), podClaim('a', { sessionStatus: 'ENDED' })], 'draining'],
    ['retired', [agentPod('a', ready), retiredClaim('a')], 'draining'],
    ['dead and retired', [agentPod('a', { deadReason: 'x' }), retiredClaim('a')], 'draining'],
    ['dead', [agentPod('a', { deadReason: 'x' }), undefined], 'failed'],
    ['dead while held', [agentPod('a', { ...ready, deadReason: 'x' }), podClaim('a')], 'failed'],
    ['Terminating', [agentPod('a', { ...ready, deletingSince: 1 }), undefined], 'draining'],
    ['Terminating while held', [agentPod('a', { ...ready, deletingSince: 1 }), podClaim('a')], 'draining'],
  ]
  for (const [name, [pod, claim], state] of table) t.equal(slotStateOf(pod, claim), state, name)
})

import t from 'tap'
import { countSlots, observePool } from '../../src/domain/pool-observation.ts'
import { agentPod, podClaim, retiredClaim } from './slot-views.ts'

void t.test('a pod is offered only if it is ours; what is claimed goes its way', async (t) => {
  const origins = ['ours', 'unconfirmed', 'unknown', 'changed', 'foreign'] as const
  const pods = origins.flatMap((origin) => [
    agentPod(`${origin}-ready`, { readySince: 2_000 }),
    agentPod(`${origin}-claimed`, { readySince: 2_000 }),
    agentPod(`${origin}-terminating`, { deletingSince: 9_000 }),
  ])
  const { slots } = observePool({
    agentType: 'echo-agent',
    pods,
    claims: new Map(origins.map((origin) => [`${origin}-claimed`, podClaim(`${origin}-claimed`)])),
    templateHash: 'current',
    origins: new Map(
      pods.map(({ uid }) => [
        uid,
        { origin: origins.find((origin) => uid.startsWith(origin)) ?? 'ours', templateHash: undefined },
      ]),
    ),
  })
  const stateOf = (podUid: string) => slots.find((slot) => slot.podUid === podUid)
  t.equal(stateOf('ours-ready')?.state, 'ready')
  t.equal(stateOf('unconfirmed-ready')?.state, 'warming')
  t.equal(stateOf('unknown-ready')?.state, 'warming')
  t.match(stateOf('changed-ready'), { state: 'failed', deadReason: 'changed after it was created' })
  t.match(stateOf('foreign-ready'), { state: 'failed', deadReason: 'not created by the controller' })
  for (const origin of origins) {
    t.equal(stateOf(`${origin}-claimed`)?.state, 'claimed')
    t.equal(stateOf(`${origin}-terminating`)?.state, 'draining')
  }
})

void t.test(
  'which template a pod was made from is what was noted, whatever its annotation says',
  async (t) => {
    const pods = ['current', 'older'].map((uid) => agentPod(uid, { templateHash: 'current' }))
    const origins = new Map(
      pods.map(({ uid }) => [uid, { origin: 'ours' as const, templateHash: uid }] as const),
    )
    const none = new Map()
    const { slots } = observePool({
      agentType: 'echo-agent',
      pods,
      claims: none,
      templateHash: 'current',
      origins,
    })
    t.same(
      slots.map(({ podUid, drifted }) => [podUid, drifted]),
      [
        ['current', false],
        ['older', true],
      ],
    )
  },
)

void t.test('each slot has the state that pod and claim say, and is counted once', async (t) => {
  const pods = [
    agentPod('warming'),
    agentPod('ready', { readySince: 2_000 }),
    agentPod('ready-without-ip', { readySince: 2_000, ip: undefined }),
    agentPod('claimed', { readySince: 2_000 }),
    agentPod('ending', { readySince: 2_000 }),
    agentPod('retired', { readySince: 2_000 }),
    agentPod('terminating', { deletingSince: 9_000 }),
    agentPod('dead', { deadReason: 'pod phase Failed' }),
  ]
  const claims = new Map(
    [podClaim('claimed'), podClaim('ending', { sessionStatus: 'ENDING' }), retiredClaim('retired')].map(
      (claim) => [claim.podUid, claim],
    ),
  )
  const { slots, counts } = observePool({
    agentType: 'echo-agent',
    pods,
    claims,
    templateHash: 'current',
  })
  t.strictSame(Object.fromEntries(slots.map(({ podUid, state }) => [podUid, state])), {
    warming: 'warming',
    ready: 'ready',
    'ready-without-ip': 'warming',
    claimed: 'claimed',
    ending: 'draining',
    retired: 'draining',
    terminating: 'draining',
    dead: 'failed',
  })
  t.strictSame(counts, { warming: 2, ready: 1, claimed: 1, draining: 3, failed: 1 })
  t.strictSame(countSlots(pods, claims), counts)
  t.equal(slots.find(({ podUid }) => podUid === 'retired')?.deletingSince, undefined, 'still to be deleted')
})

void t.test('pods of other pools are passed over', async (t) => {
  const { slots, counts } = observePool({
    agentType: 'echo-agent',
    pods: [agentPod('a'), agentPod('b', { agentType: 'stella-agent' })],
    claims: new Map(),
    templateHash: 'current',
  })
  t.strictSame(
    slots.map(({ podUid }) => podUid),
    ['a'],
  )
  t.equal(counts.warming, 1)
})

void t.test('labels decide nothing', async (t) => {
  const pods = [agentPod('a', { readySince: 2_000, stateLabel: 'claimed', sessionLabel: 'x' })]
  const { counts } = observePool({
    agentType: 'echo-agent',
    pods,
    claims: new Map(),
    templateHash: 'current',
  })
  t.equal(counts.ready, 1)
})

void t.test(
  'drift is another template, or none noted; without a template in force there is none',
  async (t) => {
    const pods = [
      agentPod('same'),
      agentPod('other', { templateHash: 'old' }),
      agentPod('none', { templateHash: undefined }),
    ]
    const drifted = (templateHash: string | undefined) =>
      observePool({ agentType: 'echo-agent', pods, claims: new Map(), templateHash })
        .slots.filter((slot) => slot.drifted)
        .map(({ podUid }) => podUid)
    t.strictSame(drifted('current'), ['none', 'other'])
    t.strictSame(drifted(undefined), [])
  },
)

void t.test('oldest first, whatever the order of the pods', async (t) => {
  const pods = [
    agentPod('c', { createdAt: 1 }),
    agentPod('b', { createdAt: 2 }),
    agentPod('a', { createdAt: 2 }),
  ]
  const order = (input: typeof pods) =>
    observePool({
      agentType: 'echo-agent',
      pods: input,
      claims: new Map(),
      templateHash: 'current',
    }).slots.map(({ podUid }) => podUid)
  t.strictSame(order(pods), ['c', 'a', 'b'])
  t.strictSame(order(pods.toReversed()), ['c', 'a', 'b'])
})

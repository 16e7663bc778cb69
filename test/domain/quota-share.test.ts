import fc from 'fast-check'
import t from 'tap'
import type { Quota } from '../../src/domain/quota.ts'
import { isNearBound, type QuotaWish, quotaSentence, shareQuotas } from '../../src/domain/quota-share.ts'
import { processorMs } from '../support/processor-time.ts'

const milli = 10n ** 6n
const size = (cpu: number, memory = 1) => ({
  requests: { cpu: BigInt(cpu) * milli, memory: BigInt(memory) * 10n ** 9n },
  limits: { cpu: BigInt(cpu) * milli, memory: BigInt(memory) * 10n ** 9n },
})
const agent = size(1_000)

function wish(agentType: string, overrides: Partial<QuotaWish> = {}): QuotaWish {
  const { idle = 0, min = 0 } = overrides
  return {
    agentType,
    size: agent,
    priorityClassName: undefined,
    pods: idle,
    idle,
    unseen: 0,
    min,
    wanted: min,
    ...overrides,
  }
}

function quota(hard: Record<string, string>, used: Record<string, string> = {}, name = 'q'): Quota {
  return { name, hard, enforced: { hard, used }, scopes: [] }
}

const one = (given: Partial<QuotaWish>, ...quotas: Quota[]) =>
  shareQuotas([wish('a', given)], quotas).get('a')

void t.test(
  'the seed: limits.cpu 20 less 3.5 of LiveKit, PostgreSQL and two backends allows 16, not 20',
  async (t) => {
    const hard = { 'limits.cpu': '20', 'limits.memory': '40Gi', pods: '50' }
    const others = quota(
      hard,
      { 'limits.cpu': '3500m', 'limits.memory': '4Gi', pods: '4' },
      'ai-agents-quota',
    )
    const share = one({ min: 20 }, others)
    t.match(share, { allowed: 16, places: 16, idle: 16 })
    t.equal(share && quotaSentence(share), 'quota ai-agents-quota: limits.cpu allows 16')
    // Ten of them run: `used` has them, and the answer is the same.
    const running = quota(hard, { 'limits.cpu': '13500m', pods: '14' }, 'ai-agents-quota')
    t.match(one({ min: 20, idle: 10, pods: 10 }, running), { allowed: 16, places: 6, idle: 16 })
  },
)

void t.test('one pool below its quotas', async (t) => {
  t.match(one({ min: 5 }), {
    idle: 5,
    places: Number.POSITIVE_INFINITY,
    allowed: undefined,
    bound: undefined,
  })
  t.match(one({ min: 5 }, quota({ secrets: '1' })), { allowed: undefined }, 'a quota of something else')
  t.match(one({ min: 5 }, quota({ pods: 'nonsense' })), { allowed: undefined })
  t.match(
    one({ min: 5 }, { ...quota({ pods: '3' }), enforced: {} }),
    { allowed: undefined },
    'not enforced yet',
  )
  const both = [quota({ pods: '9' }), quota({ 'requests.cpu': '4' }, {}, 'tight')]
  t.match(one({ min: 5 }, ...both), { allowed: 4, bound: { quota: 'tight', resource: 'requests.cpu' } })
  t.match(
    one({ min: 2 }, quota({ pods: '9' })),
    { idle: 2, places: 9, allowed: 9 },
    'a roll-out may use what is free',
  )
  t.match(
    one({ min: 5, idle: 2, unseen: 2, pods: 2 }, quota({ pods: '4' })),
    { places: 2 },
    'creates in flight count',
  )
  t.match(
    one({ min: 1, wanted: 9, idle: 6, unseen: 4, pods: 6 }, quota({ pods: '6' }, { pods: '6' })),
    { idle: 6, places: 0 },
    'and take no pod away if `used` shows them already',
  )
  t.match(
    one({ min: 2, idle: 2, pods: 2 }, quota({ pods: '1' }, { pods: '3' })),
    { idle: 2, places: 0 },
    'min stays',
  )
  t.match(
    one({ min: 1, wanted: 5, idle: 5, pods: 5 }, quota({ pods: '4' }, { pods: '6' })),
    { idle: 3, places: 0 },
    'a quota that was lowered takes idle pods beyond min',
  )
})

void t.test('pods that grow when they are claimed keep room for it', async (t) => {
  const thin = { min: 9, idle: 4, pods: 4, owed: size(4 * 900, 0) }
  // Four pods of 100m use 0.4; grown they take 4.
  t.match(one(thin, quota({ 'limits.cpu': '6' }, { 'limits.cpu': '400m' })), { allowed: 6, places: 2 })
  t.match(one(thin, quota({ pods: '9' }, { pods: '4' })), { allowed: 9 }, 'their number stays')
})

void t.test('pools that share a quota', async (t) => {
  const shares = (wishes: QuotaWish[], ...quotas: Quota[]) =>
    [...shareQuotas(wishes, quotas)].map(([type, { idle, places }]) => [type, idle, places])
  t.same(
    shares([wish('a', { min: 8 }), wish('b', { min: 2 })], quota({ pods: '5' })),
    [
      ['a', 4, 4],
      ['b', 1, 1],
    ],
    'in parts of what they want, when not even min fits',
  )
  t.same(
    shares([wish('a', { min: 1, wanted: 20 }), wish('b', { min: 4 })], quota({ pods: '6' })),
    [
      ['a', 2, 2],
      ['b', 4, 4],
    ],
    'each min before what anybody wants beyond',
  )
  t.same(
    shares(
      [wish('a', { min: 1, wanted: 6, idle: 6, pods: 6 }), wish('b', { min: 3 })],
      quota({ pods: '6' }, { pods: '6' }),
    ),
    [
      ['a', 3, 0],
      ['b', 3, 0],
    ],
    'a pool with more than min makes room for the min of another',
  )
  t.same(
    shares(
      [wish('a', { min: 6, idle: 6, pods: 6 }), wish('b', { min: 3 })],
      quota({ pods: '6' }, { pods: '6' }),
    ),
    [
      ['a', 6, 0],
      ['b', 0, 0],
    ],
    'but not with its min',
  )
  t.same(
    shares([wish('a', { min: 2 }), wish('b', { min: 2, priorityClassName: 'high' })], {
      ...quota({ pods: '1' }),
      scopes: [{ scope: 'PriorityClass', operator: 'In', values: ['high'] }],
    }),
    [
      ['a', 2, Number.POSITIVE_INFINITY],
      ['b', 1, 1],
    ],
    'a quota of one class does not bind the others',
  )
})

void t.test('near the bound', async (t) => {
  const bound = (used: bigint) => ({ quota: 'q', resource: 'pods', hard: 100n, used })
  t.notOk(isNearBound(bound(89n), 11))
  t.ok(isNearBound(bound(90n), 10))
  t.ok(isNearBound(bound(50n), 1))
})

// --- Properties ------------------------------------------------------------------------------------------------------

const anyWish = fc
  .record({
    cpu: fc.integer({ min: 1, max: 2_000 }),
    min: fc.nat({ max: 2_000 }),
    more: fc.nat({ max: 20 }),
    idle: fc.nat({ max: 30 }),
    claimed: fc.nat({ max: 10 }),
    unseen: fc.nat({ max: 3 }),
  })
  .map(({ cpu, min, more, idle, claimed, unseen }) => ({
    size: size(cpu),
    min,
    wanted: min + more,
    idle,
    pods: idle + claimed,
    unseen: Math.min(unseen, idle),
  }))
const anyWorld = fc.record({
  wishes: fc
    .array(anyWish, { minLength: 1, maxLength: 5 })
    .map((some) => some.map((one, index) => wish(`p${index}`, one))),
  cpu: fc.nat({ max: 40 }),
  pods: fc.nat({ max: 60 }),
  others: fc.nat({ max: 5 }),
})

function worldOf({ wishes, cpu, pods, others }: typeof anyWorld extends fc.Arbitrary<infer T> ? T : never) {
  const used = wishes.reduce((sum, one) => sum + BigInt(one.pods) * (one.size.limits['cpu'] ?? 0n), 0n)
  const count = wishes.reduce((sum, one) => sum + one.pods, 0) + others
  const hard = { 'limits.cpu': String(cpu), pods: String(pods) }
  return { wishes, quotas: [quota(hard, { 'limits.cpu': `${used}n`, pods: String(count) })], used, count }
}

void t.test('properties', async () => {
  fc.assert(
    fc.property(anyWorld, (any) => {
      const { wishes, quotas, used, count } = worldOf(any)
      const shares = shareQuotas(wishes, quotas)
      const shuffled = shareQuotas([...wishes].reverse(), quotas)
      const alone = wishes.map((one) => shares.get(one.agentType)?.places ?? 0)
      return (
        // Each pool alone may use its places without passing the quota.
        wishes.every((one, at) => {
          const places = alone[at] ?? 0
          const cost = BigInt(places) * (one.size.limits['cpu'] ?? 0n)
          return places === 0 || (used + cost <= BigInt(any.cpu) * 10n ** 9n && count + places <= any.pods)
        }) &&
        wishes.every((one) => {
          const share = shares.get(one.agentType)
          if (!share) return false
          const floor = Math.min(one.idle, one.min)
          return (
            share.places >= 0 &&
            share.idle <= one.wanted &&
            share.idle >= Math.min(floor, one.wanted) &&
            JSON.stringify([share.idle, share.places]) ===
              JSON.stringify([shuffled.get(one.agentType)?.idle, shuffled.get(one.agentType)?.places])
          )
        })
      )
    }),
  )
})

void t.test('as long as there is room, a pool below its min is not left without a place', async () => {
  fc.assert(
    fc.property(anyWorld, (any) => {
      const { wishes, quotas, used, count } = worldOf(any)
      const shares = shareQuotas(wishes, quotas)
      const short = wishes.filter(({ idle, min }) => idle < min)
      const [smallest] = [...short].sort((a, b) =>
        Number((a.size.limits['cpu'] ?? 0n) - (b.size.limits['cpu'] ?? 0n)),
      )
      if (!smallest || wishes.some(({ unseen }) => unseen > 0)) return true
      const fits =
        used + (smallest.size.limits['cpu'] ?? 0n) <= BigInt(any.cpu) * 10n ** 9n && count < any.pods
      return !fits || short.some(({ agentType }) => (shares.get(agentType)?.places ?? 0) > 0)
    }),
  )
})

void t.test('ten thousand missing pods of a hundred pools are shared in milliseconds', async (t) => {
  const wishes = Array.from({ length: 100 }, (_, index) => wish(`p${index}`, { min: 50, wanted: 100 }))
  const ms = processorMs(() => shareQuotas(wishes, [quota({ pods: '5000', 'limits.cpu': '4000' })]))
  t.ok(ms < 250, `${ms} ms`)
})

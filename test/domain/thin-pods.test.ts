import t from 'tap'
import { podResizeOf } from '../../src/domain/pod-resize.ts'
import { isThinner, thinStateOf } from '../../src/domain/thin-pods.ts'

const size = (cpu: number, memory: number, limit = 1_000) => ({
  requests: { cpu: BigInt(cpu), memory: BigInt(memory), 'ephemeral-storage': 5n },
  limits: { cpu: BigInt(limit), memory: BigInt(limit) },
})
const full = size(250, 512)

void t.test('a pod is thin if its requests alone are less', async (t) => {
  t.equal(isThinner({ agentTakes: size(25, 128) }, full), true)
  t.equal(isThinner({ agentTakes: size(250, 128) }, full), true)
  t.equal(isThinner({ agentTakes: full }, full), false)
  t.equal(isThinner({ agentTakes: size(300, 128) }, full), false, 'made by another policy')
  t.equal(isThinner({ agentTakes: size(25, 128, 500) }, full), false, 'so is one with other limits')
  t.equal(isThinner({}, full), false)
})

void t.test('what the kubelet says of a resize', async (t) => {
  const conditions = (...given: object[]) =>
    podResizeOf({ conditions: given.map((one) => ({ status: 'True', type: 'Ready', ...one })) })
  t.equal(conditions({}), undefined)
  const pending = { type: 'PodResizePending', message: 'Node didn’t have enough resource: cpu' }
  t.match(conditions({ ...pending, reason: 'Deferred' }), {
    state: 'deferred',
    message: /enough resource: cpu/,
  })
  t.match(conditions({ ...pending, reason: 'Infeasible' }), { state: 'infeasible' })
  t.match(conditions({ type: 'PodResizeInProgress' }), { state: 'in-progress', message: '' })
  t.match(conditions({ type: 'PodResizeInProgress' }, { ...pending, reason: 'Deferred' }), {
    state: 'deferred',
  })
  t.equal(conditions({ ...pending, status: 'False' }), undefined)
})

void t.test('the state of a pod', async (t) => {
  const of = (agentTakes: typeof full, state?: 'deferred' | 'infeasible' | 'in-progress') =>
    thinStateOf({ agentTakes, ...(state && { resize: { state, message: '' } }) }, full)
  t.equal(of(size(25, 128)), 'thin')
  t.equal(of(full), 'full')
  t.equal(of(full, 'in-progress'), 'growing')
  t.equal(of(full, 'deferred'), 'deferred')
  t.equal(of(full, 'infeasible'), 'infeasible')
})

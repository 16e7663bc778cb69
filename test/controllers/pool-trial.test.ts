import t from 'tap'
import type { PolicyDocument } from '../../src/admission/policy/policy-document.ts'
import { createPoolTrial } from '../../src/controllers/pool-trial.ts'
import { PodWriteError } from '../../src/domain/pod-write-error.ts'
import { checkPools, type PoolsDocument } from '../../src/domain/pool.ts'
import { keptLog } from '../support/kept-log.ts'
import { createFakePods } from './fake-pods.ts'

/** Dry runs over answers that the test gives; test/e2e/pool-problems.test.ts asks a real API server. */

const env = [
  { name: 'A', value: 'b' },
  { name: 'A=B', value: 'c' },
]

function poolsOf(images: Readonly<Record<string, string>>, min = 1): PoolsDocument {
  const pools = Object.fromEntries(
    Object.entries(images).map(([type, image]) => [type, { template: { image, env }, min, max: 5 }]),
  )
  const checked = checkPools(JSON.stringify({ pools }))
  if (!checked.ok) throw new Error(checked.problems.join())
  return checked.value
}

function bed(inForce?: PoolsDocument, rows: readonly string[] = []) {
  const pods = createFakePods(() => 0)
  const told: string[] = []
  const { logger } = keptLog()
  const trial = createPoolTrial({
    pools: { current: () => inForce },
    policy: {
      current: () => ({ agentTypes: Object.fromEntries(rows.map((row) => [row, {}])) }) as PolicyDocument,
    },
    writer: pods.writer,
    tried: (agentType, refusal) => void told.push(`${agentType} ${refusal?.reason ?? 'passed'}`),
    reportUntried: (message) => void told.push(`untried ${message}`),
    reportRow: (message) => void told.push(`row ${message}`),
    logger,
  })
  return { ...pods, trial, told }
}

const invalid = new PodWriteError(
  'invalid',
  'Pod "a-x7k2p" is invalid: spec.containers[0].env[8].name: Invalid value: "A=B"',
  { answered: true },
)

void t.test('only pools whose template changed are tried', async (t) => {
  const { trial, trials } = bed()
  t.same(await trial.examine(poolsOf({ a: 'x', b: 'y', c: 'z' }), poolsOf({ a: 'x', b: 'w' }, 3)), [])
  t.same(trials, ['b', 'c'])
})

void t.test('a refusal that blames the pod refuses the document, with the path in it', async (t) => {
  const { trial, trialRefusals, told } = bed()
  trialRefusals.set('a', invalid)
  const denied = new PodWriteError('denied', 'admission webhook "w" denied the request: no', {
    answered: true,
  })
  trialRefusals.set('b', denied)
  t.same(await trial.examine(poolsOf({ a: 'x', b: 'y', c: 'z' }), undefined), [
    '/pools/a/template/env/1: Pod "a-*" is invalid: spec.containers[0].env[8].name: Invalid value: "A=B"',
    '/pools/b/template: admission webhook "w" denied the request: no',
  ])
  t.same(told, [])
})

for (const reason of ['quota', 'limit-range', 'webhook', 'api', 'forbidden'] as const) {
  void t.test(`${reason}: the document comes into force as before, and that is told`, async (t) => {
    const { trial, trialRefusals, told } = bed()
    trialRefusals.set('a', new PodWriteError(reason, 'not now', { answered: true }))
    t.same(await trial.examine(poolsOf({ a: 'x' }), undefined), [])
    t.same(told, [`untried a: ${reason}: not now`])
  })
}

void t.test('a denial that does not blame the pod, and a fault of our own, refuse nothing', async (t) => {
  const { trial, trialRefusals, writer } = bed()
  trialRefusals.set('a', new PodWriteError('denied', 'no row', { answered: true, blamesPod: false }))
  t.same(await trial.examine(poolsOf({ a: 'x' }), undefined), [])
  writer.wouldRefuse = () => Promise.reject(new TypeError('oops'))
  t.same(await trial.examine(poolsOf({ a: 'x' }), undefined), [])
})

void t.test('pools in force and rows of the policy are tried when something changed', async (t) => {
  const { trial, trialRefusals, trials, told } = bed(poolsOf({ a: 'x', b: 'y', c: 'z' }), [
    'a',
    'd',
    'e',
    'f',
  ])
  trialRefusals.set('a', new PodWriteError('limit-range', 'maximum cpu', { answered: true }))
  trialRefusals.set('b', new PodWriteError('quota', 'exceeded', { answered: true }))
  trialRefusals.set('plain d', new PodWriteError('invalid', 'bad toleration', { answered: true }))
  trialRefusals.set('plain e', new PodWriteError('denied', 'another image', { answered: true }))
  const plugin = new PodWriteError('denied', 'no PriorityClass', { answered: true, blamesPod: false })
  trialRefusals.set('plain f', plugin)
  await trial.look({ rows: false })
  t.same(told.splice(0), ['a limit-range', 'b passed', 'c passed'])
  await trial.look({ rows: true })
  t.same(told, [
    'a limit-range',
    'row a: limit-range: maximum cpu',
    'b passed',
    'c passed',
    'row d: invalid: bad toleration',
    'row f: denied: no PriorityClass',
  ])
  t.same(trials, ['a', 'b', 'c', 'a', 'b', 'c', 'plain d', 'plain e', 'plain f'])
})

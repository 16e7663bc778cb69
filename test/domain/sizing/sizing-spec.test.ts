import t from 'tap'
import { Compile } from 'typebox/compile'
import { checkYaml } from '../../../src/domain/checked-document.ts'
import { SizingSpec, sizingProblems } from '../../../src/domain/sizing/sizing-spec.ts'

const validator = Compile(SizingSpec)

function check(text: string) {
  return checkYaml<SizingSpec>(text, validator, { relations: (spec) => sizingProblems(spec, '/sizing') })
}

const good: readonly (readonly [string, SizingSpec])[] = [
  ['fixed: 7', { mode: 'apply', fixed: 7 }],
  ['fixed: 0', { mode: 'apply', fixed: 0 }],
  ['{mode: recommend, buffer: {percent: 20}}', { mode: 'recommend', buffer: { percent: 20 } }],
  ['buffer: {pods: 3}', { mode: 'apply', buffer: { pods: 3 } }],
  ['hitRate: {target: 0.999}', { mode: 'apply', hitRate: { target: 0.999 } }],
  [
    'hitRate: {target: 0.5, maxIdle: 30, budget: {idlePodHoursPerDay: 100.5}}',
    { mode: 'apply', hitRate: { target: 0.5, maxIdle: 30, budget: { idlePodHoursPerDay: 100.5 } } },
  ],
]

const bad: readonly (readonly [string, string])[] = [
  ['{}', '/sizing: needs one of fixed, buffer, hitRate'],
  ['{fixed: 7, hitRate: {target: 0.999}}', '/sizing: takes one rule, and has fixed and hitRate'],
  ['fixed: -1', '/fixed: must be >= 0'],
  ['fixed: 1.5', '/fixed: must be integer'],
  ['{mode: dream, fixed: 1}', '/mode: must be one of "apply", "recommend"'],
  ['buffer: {}', '/sizing/buffer: needs percent or pods'],
  ['buffer: {percent: 10, pods: 2}', '/sizing/buffer: takes percent or pods, not both'],
  ['buffer: {percent: 0}', '/buffer/percent: must be >= 1'],
  ['buffer: {percent: 100}', '/buffer/percent: must be <= 99'],
  ['hitRate: {}', '/hitRate/target: is missing'],
  ['hitRate: {target: 0}', '/hitRate/target: must be >= 0.5'],
  ['hitRate: {target: 1}', '/hitRate/target: must be <= 0.9999'],
  ['hitRate: {target: 100}', '/hitRate/target: must be <= 0.9999'],
  ['hitRate: {target: 99.9 %}', '/hitRate/target: must be number'],
  ['hitRate: {target: 0.999, maxIdle: 0}', '/hitRate/maxIdle: must be >= 1'],
  [
    'hitRate: {target: 0.999, budget: {idlePodHoursPerDay: -4}}',
    '/hitRate/budget/idlePodHoursPerDay: must be > 0',
  ],
  ['hitRate: {target: 0.999, budget: {}}', '/hitRate/budget/idlePodHoursPerDay: is missing'],
  ['hitRate: {target: 0.999, rate: 2}', '/hitRate/rate: is not a known key; known: target, maxIdle, budget'],
]

void t.test('the three rules', (t) => {
  for (const [text, value] of good) t.same(check(text), { ok: true, value }, text)
  t.end()
})

void t.test('a target that is no number is refused where the text is read', (t) => {
  for (const text of ['hitRate: {target: .nan}', 'hitRate: {target: .inf}'])
    t.match(check(text), { ok: false, problems: [/floating point cannot hold/] }, text)
  t.end()
})

void t.test('what is impossible is refused with the place and the reason', (t) => {
  for (const [text, problem] of bad) t.same(check(text), { ok: false, problems: [problem] }, text)
  t.end()
})

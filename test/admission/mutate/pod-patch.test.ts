import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import jsonPatch, { type Operation } from 'fast-json-patch'
import t from 'tap'
import { podPatch } from '../../../src/admission/mutate/pod-patch.ts'
import type { Container, EnvVar, Pod } from '../../../src/admission/pod/pod.ts'
import { processorMs } from '../../support/processor-time.ts'
import { arbitraryPod } from '../arbitrary-pod.ts'

/** As the API server does it: the patch travels as JSON. */
const applied = (before: Pod, after: Pod): Pod =>
  jsonPatch.applyPatch(plain(before), plain(podPatch(before, after)) as Operation[], true).newDocument
const plain = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T

const podWith = (env: EnvVar[], more: Partial<Container> = {}): Pod => ({
  spec: { containers: [{ name: 'agent', ...more, env }] },
})

void t.test('applied to the one, the patch of any two pods gives the other', async () => {
  fc.assert(
    fc.property(arbitraryPod, arbitraryPod, (before, after) => {
      const [from, to] = [plain(before), plain(after)]
      return isDeepStrictEqual(applied(from, to), to)
    }),
    { numRuns: 300 },
  )
})

void t.test('so it does for any lists of named elements, with names twice and in another order', async () => {
  const element = fc.record({ name: fc.constantFrom('a', 'b', 'c', '~/'), value: fc.constantFrom('0', '1') })
  const list = fc.array(element, { maxLength: 6 })
  // Parts of the second list are the very objects of the first, as mutation leaves them.
  const shared = fc.array(fc.oneof(fc.nat({ max: 5 }), element), { maxLength: 6 })
  fc.assert(
    fc.property(list, shared, (before, wanted) => {
      const after = wanted.flatMap((one) => (typeof one === 'number' ? (before[one] ?? []) : one))
      const [from, to] = [podWith(before), podWith(after)]
      return isDeepStrictEqual(applied(from, to), plain(to))
    }),
    { numRuns: 3_000 },
  )
})

void t.test('neither pod is changed, whatever they share', async () => {
  fc.assert(
    fc.property(arbitraryPod, arbitraryPod, fc.boolean(), (before, other, isSpecShared) => {
      const spec = isSpecShared
        ? before.spec
        : { ...before.spec, containers: [...before.spec.containers, ...other.spec.containers] }
      const after = { ...before, metadata: { ...other.metadata }, spec }
      return isDeepStrictEqual(applied(frozen(before), frozen(after)), plain(after))
    }),
    { numRuns: 300 },
  )
})

function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  for (const part of Object.values(value)) frozen(part)
  return Object.freeze(value)
}

void t.test('equal pods give nothing, whatever is shared', async (t) => {
  const pod = podWith([{ name: 'x', value: '1' }], { command: ['a'] })
  t.same(podPatch(pod, plain(pod)), [])
  t.same(podPatch(pod, { ...pod }), [])
  t.same(podPatch(pod, pod), [])
})

void t.test(
  'one that goes and one that comes are one step each, and the others are left alone',
  async (t) => {
    const env = (name: string) => ({ name, value: `secret of ${name}` })
    const [a, b, c, d] = ['A', 'B', 'C', 'D'].map(env) as [EnvVar, EnvVar, EnvVar, EnvVar]
    const before = podWith([a, b, c, d])
    t.same(podPatch(before, podWith([env('NEW'), a, { ...c }, d, env('LAST')])), [
      { op: 'remove', path: '/spec/containers/0/env/1' },
      { op: 'add', path: '/spec/containers/0/env/0', value: env('NEW') },
      { op: 'add', path: '/spec/containers/0/env/4', value: env('LAST') },
    ])
    const replaced = { name: 'B', valueFrom: {} }
    t.same(podPatch(before, podWith([a, replaced, c, d])), [
      { op: 'remove', path: '/spec/containers/0/env/1/value' },
      { op: 'add', path: '/spec/containers/0/env/1/valueFrom', value: {} },
    ])
  },
)

void t.test("one of ours that moves before the author's is written anew, theirs is not", async (t) => {
  const [a, b] = [
    { name: 'A', value: 'secret of A' },
    { name: 'B', value: 'secret of B' },
  ] as const
  const [forged, ours] = [
    { name: 'GREENROOM_POD_UID', value: 'forged' },
    { name: 'GREENROOM_POD_UID', value: 'ours' },
  ] as const
  t.same(podPatch(podWith([a, forged, b]), podWith([ours, a, b])), [
    { op: 'remove', path: '/spec/containers/0/env/1' },
    { op: 'add', path: '/spec/containers/0/env/0', value: ours },
  ])
})

void t.test('volumes and mounts are known by name as well', async (t) => {
  const mount = (name: string) => ({ name, mountPath: `/${name}` })
  const pod = (names: readonly string[]): Pod => ({
    spec: {
      containers: [{ name: 'agent', volumeMounts: names.map(mount) }],
      volumes: names.map((name) => ({ name, emptyDir: {} })),
    },
  })
  t.same(podPatch(pod(['token', 'data']), pod(['data'])), [
    { op: 'remove', path: '/spec/volumes/0' },
    { op: 'remove', path: '/spec/containers/0/volumeMounts/0' },
  ])
})

void t.test('the end of a list goes from behind', async (t) => {
  const pod = (args: string[]): Pod => podWith([], { args })
  t.same(podPatch(pod(['1', '2', '3']), pod(['1'])), [
    { op: 'remove', path: '/spec/containers/0/args/2' },
    { op: 'remove', path: '/spec/containers/0/args/1' },
  ])
})

void t.test('a list of hostile length takes no quadratic time', async (t) => {
  const many = Array.from({ length: 60_000 }, () => ({ name: 'GREENROOM_POD_UID', value: 'forged' }))
  const ours = { name: 'GREENROOM_POD_UID', value: 'ours' }
  // 0.1 s here; compared each with each, 60,000 take more than 10 s.
  t.ok(processorMs(() => podPatch(podWith(many), podWith(many.map(() => ours)))) < 3_000)
})

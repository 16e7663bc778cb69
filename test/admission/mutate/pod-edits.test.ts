import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import jsonPatch from 'fast-json-patch'
import t from 'tap'
import { podEdits } from '../../../src/admission/mutate/pod-edits.ts'
import { patchOf } from '../../../src/admission/mutate/pod-patch.ts'
import { arbitraryPod } from '../arbitrary-pod.ts'

const patchOps = (before: object, after: object) => patchOf(podEdits(before, after))
/** Judged by somebody else's implementation of RFC 6902. */
const applied = (before: object, after: object): unknown =>
  jsonPatch.applyPatch(structuredClone(before), patchOps(before, after), true).newDocument
/** As it comes over the wire. */
const plain = (value: object): object => JSON.parse(JSON.stringify(value))

void t.test('applied to the one, the patch of any two pods gives the other', async () => {
  fc.assert(
    fc.property(arbitraryPod, arbitraryPod, (before, after) => {
      const [from, to] = [plain(before), plain(after)]
      return isDeepStrictEqual(applied(from, to), to)
    }),
    { numRuns: 300 },
  )
})

void t.test('so it does for any lists, with names twice, without names, in another order', async () => {
  const element = fc.oneof(
    fc.integer({ min: 0, max: 2 }),
    fc.record({ name: fc.constantFrom('a', 'b', 'c', '~/'), v: fc.integer({ min: 0, max: 1 }) }),
    fc.array(fc.integer({ max: 1 }), { maxLength: 2 }),
    fc.constant(null),
  )
  const list = fc.array(element, { maxLength: 6 })
  fc.assert(
    fc.property(list, list, (before, after) => {
      const [from, to] = [plain({ 'a/b~': before }), plain({ 'a/b~': after })]
      return isDeepStrictEqual(applied(from, to), to)
    }),
    { numRuns: 2_000 },
  )
})

void t.test('equal values give nothing, whatever is shared', async (t) => {
  const pod = { a: [{ name: 'x', b: [1, { c: null }] }], gone: undefined }
  t.same(patchOps(pod, structuredClone(pod)), [])
  t.same(patchOps(pod, { a: pod.a }), [])
})

void t.test(
  'one that goes and one that comes are one step each, and the others are left alone',
  async (t) => {
    const env = (name: string) => ({ name, value: `secret of ${name}` })
    const before = { env: [env('A'), env('B'), env('C'), env('D')] }
    const after = { env: [env('NEW'), before.env[0], env('C'), before.env[3], env('LAST')] }
    t.same(patchOps(before, after), [
      { op: 'add', path: '/env/0', value: env('NEW') },
      { op: 'remove', path: '/env/2' },
      { op: 'add', path: '/env/4', value: env('LAST') },
    ])
    t.same(
      podEdits(before, after).map(({ place }) => place),
      [
        ['env', 'NEW'],
        ['env', 'B'],
        ['env', 'LAST'],
      ],
    )
  },
)

void t.test('the end of a list goes from behind', async (t) => {
  t.same(patchOps({ a: [1, 2, 3] }, { a: [1] }), [
    { op: 'remove', path: '/a/2' },
    { op: 'remove', path: '/a/1' },
  ])
})

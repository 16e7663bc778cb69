import fc from 'fast-check'
import t from 'tap'
import { mutatePod } from '../../../src/admission/mutate/mutate-pod.ts'
import { changesOf, unexplained } from '../../../src/admission/mutate/pod-changes.ts'
import { podPatch } from '../../../src/admission/mutate/pod-patch.ts'
import type { PolicyInForce } from '../../../src/admission/policy/policy-in-force.ts'
import { arbitraryPod } from '../arbitrary-pod.ts'
import { creationOf } from '../pod-creation.ts'
import { fullPolicy, inForce, inForceOf, samplePod } from '../pod-samples.ts'

const anyPolicy = fc.constantFrom<PolicyInForce>(inForce, inForceOf(fullPolicy))

void t.test('every operation of every patch has a rule and a sentence', async () => {
  fc.assert(
    fc.property(arbitraryPod, anyPolicy, (pod, within) => {
      const { pod: after, rules } = mutatePod(creationOf(pod, within))
      const patch = podPatch(pod, after)
      const changes = changesOf(pod, patch, rules)
      // A variable that is moved before those that refer to it goes and comes: one change.
      const moved = patch.filter(({ op, path }) => op === 'remove' && /\/env\/\d+$/.test(path)).length
      if (changes.length < patch.length - moved)
        throw new Error(`nothing explains some of ${JSON.stringify(patch)}`)
      const bare = changes.find(({ rule, why }) => rule === unexplained.rule || !/^[A-Z/].*\.$/.test(why))
      if (bare) throw new Error(`no rule for ${bare.path}`)
      // What the mutator says of itself is what its patch shows.
      const shown = new Set(changes.map(({ rule }) => rule))
      return shown.size === rules.length && rules.every((rule) => shown.has(rule))
    }),
    { numRuns: 1_000 },
  )
})

void t.test('a change that no rule explains is said to be one', async (t) => {
  const patch = [{ op: 'add', path: '/spec/nodeName', value: 'n' }] as const
  const [change] = changesOf(samplePod(), patch, ['resources'])
  t.match(change, { path: 'spec.nodeName', was: 'unset', becomes: '"n"', rule: 'unexplained' })
})

void t.test('a rule that changed nothing explains nothing', async (t) => {
  const patch = [{ op: 'replace', path: '/spec/terminationGracePeriodSeconds', value: 7 }] as const
  t.match(changesOf(samplePod(), patch, ['grace-period']), [
    { was: '30', becomes: '7', rule: 'grace-period' },
  ])
  t.match(changesOf(samplePod(), patch, ['resources']), [{ was: '30', becomes: '7', rule: 'unexplained' }])
})

void t.test('a variable that moves is one change, with what it was', async (t) => {
  const env = [
    { name: 'H', value: 'Bearer $(OPENAI_API_KEY)' },
    { name: 'OPENAI_API_KEY', valueFrom: { secretKeyRef: { name: 'mine', key: 'k' } } },
  ]
  const pod = samplePod({ container: { env } })
  const { pod: after, rules } = mutatePod(creationOf(pod))
  const found = changesOf(pod, podPatch(pod, after), rules).filter(({ path }) =>
    path.endsWith('[OPENAI_API_KEY]'),
  )
  t.match(found, [{ was: /"mine"/, becomes: /"agent-secrets"/, rule: 'injected-env' }])
  t.equal(found.length, 1)
})

void t.test('an element that comes before others is one change, and theirs are none', async (t) => {
  const env = [
    { name: 'A', value: 'secret of A' },
    { name: 'B', value: 'secret of B' },
  ]
  const pod = samplePod({ container: { env } })
  const first = { name: 'GREENROOM_POD_UID', value: 'x' }
  const { spec } = pod
  const containers = spec.containers.map((given) => ({ ...given, env: [first, ...(given.env ?? [])] }))
  const patch = podPatch(pod, { ...pod, spec: { ...spec, containers } })
  t.same(
    changesOf(pod, patch, ['injected-env']).map(({ path }) => path),
    ['spec.containers[agent].env[GREENROOM_POD_UID]'],
  )
  t.notMatch(JSON.stringify(patch), /secret of/)
})

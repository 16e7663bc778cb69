import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import jsonPatch from 'fast-json-patch'
import t from 'tap'
import { mutatePod } from '../../src/admission/mutate/mutate-pod.ts'
import { podPatch } from '../../src/admission/mutate/pod-patch.ts'
import type { Pod } from '../../src/admission/pod/pod.ts'
import type { Mode } from '../../src/admission/pod/violation.ts'
import { classOf } from '../../src/admission/policy/pod-class.ts'
import type { PolicyInForce } from '../../src/admission/policy/policy-in-force.ts'
import { settableRules } from '../../src/admission/rules/check-policy.ts'
import { greenroomRules } from '../../src/admission/rules/greenroom-rules.ts'
import { podSecurityChecks } from '../../src/admission/standards/pod-security-standards.ts'
import { arbitraryPod, injectedByAnother } from './arbitrary-pod.ts'
import { creationOf, isShaped, mutated, violationsIn } from './pod-creation.ts'
import { fullPolicy, inForce, inForceOf, policy } from './pod-samples.ts'

/** Mutator and validator are derived from one table: for any pod and any policy they cannot disagree. */

const runs = { numRuns: 700 }

/** No mutation can or may put these right; a pod that is not mutated may break any rule of Pod Security besides. */
const structuralRules: ReadonlySet<string> = new Set(
  [...greenroomRules, ...podSecurityChecks]
    .filter(({ mutated: isSet }) => isSet !== 'yes')
    .map(({ rule }) => rule),
)

const modes = fc.record(
  Object.fromEntries(settableRules.map((rule) => [rule, fc.constantFrom<Mode>('enforce', 'warn', 'audit')])),
  { requiredKeys: [] },
)
const arbitraryContext: fc.Arbitrary<PolicyInForce> = fc.oneof(
  fc.constantFrom(inForce, inForceOf(fullPolicy)),
  fc
    .tuple(fc.constantFrom(policy, fullPolicy), modes)
    .map(([document, chosen]) => inForceOf({ ...document, modes: chosen as Record<string, Mode> })),
)

/** As the API server does it: the patch, not the object, is what travels, and no two parts are one object. */
const patched = (pod: Pod, within: PolicyInForce): Pod =>
  jsonPatch.applyPatch(JSON.parse(JSON.stringify(pod)) as Pod, podPatch(pod, mutated(pod, within)), true)
    .newDocument

const denials = (pod: Pod, within: PolicyInForce): string[] =>
  violationsIn(pod, within)
    .filter(({ mode }) => mode === undefined)
    .map(({ rule }) => rule)

void t.test('what mutation leaves wrong is structural, and nothing else ever denies', async (t) => {
  const seen = new Set<string>()
  fc.assert(
    fc.property(arbitraryPod, arbitraryContext, (pod, within) => {
      const rules = denials(patched(pod, within), within)
      for (const rule of rules) seen.add(rule)
      if (isShaped(pod, within)) return rules.every((rule) => structuralRules.has(rule))
      // What is not mutated is refused for what it is, or is a component.
      const isComponent = classOf(pod, within.policy).kind === 'component'
      return isComponent || rules.includes('agent-type') || rules.includes('operating-system')
    }),
    { numRuns: 4_000 },
  )
  for (const rule of ['images', 'allowed-volumes', 'resource-range', 'projected-token', 'pool-credentials']) {
    t.ok(seen.has(rule), `${rule} was met`)
  }
})

void t.test('a second mutation finds nothing to do', async (t) => {
  fc.assert(
    fc.property(arbitraryPod, arbitraryContext, (pod, within) => {
      const once = patched(pod, within)
      return podPatch(once, mutated(once, within)).length === 0
    }),
    runs,
  )
  t.pass()
})

void t.test("after another injector's output one more mutation is enough, and it is right", async (t) => {
  fc.assert(
    fc.property(arbitraryPod, arbitraryContext, (pod, within) => {
      const again = patched(injectedByAnother(patched(pod, within)), within)
      if (podPatch(again, mutated(again, within)).length > 0) return false
      const shaped = isShaped(again, within)
      return !shaped || denials(again, within).every((rule) => structuralRules.has(rule))
    }),
    runs,
  )
  t.pass()
})

void t.test('no request is above its limit, whatever the author or a LimitRange asked for', async (t) => {
  fc.assert(
    fc.property(arbitraryPod, arbitraryContext, (pod, within) => {
      const after = patched(pod, within)
      if (!isShaped(after, within)) return true
      if (denials(after, within).length > 0) return true
      return [...after.spec.containers, ...(after.spec.initContainers ?? [])].every(({ resources }) =>
        ['cpu', 'memory', 'ephemeral-storage'].every(
          (name) => resources?.limits?.[name] !== undefined && resources.requests?.[name] !== undefined,
        ),
      )
    }),
    runs,
  )
  t.pass()
})

void t.test('the given pod is not touched, its class stays, and unknown fields survive', async (t) => {
  fc.assert(
    fc.property(arbitraryPod, arbitraryContext, (pod, within) => {
      const before = JSON.stringify(pod)
      const changed = mutated(pod, within)
      if (!isDeepStrictEqual(classOf(changed, within.policy), classOf(pod, within.policy))) return false
      const after = JSON.stringify(changed)
      const count = (text: string): number => text.split('futureField').length
      return JSON.stringify(pod) === before && count(after) === count(before)
    }),
    runs,
  )
  t.pass()
})

void t.test(
  'the patch applies, gives the mutated pod, brings no secret value, and names its rules',
  async (t) => {
    fc.assert(
      fc.property(arbitraryPod, arbitraryContext, (pod, within) => {
        const { pod: after, rules } = mutatePod(creationOf(pod, within))
        const patch = podPatch(pod, after)
        if (/sk-very-secret|literal-value/.test(JSON.stringify(patch))) return false
        if (rules.length > 0 !== patch.length > 0) return false
        return JSON.stringify(patched(pod, within)).length === JSON.stringify(after).length
      }),
      runs,
    )
    t.pass()
  },
)

void t.test('labels that are there are never changed', async (t) => {
  fc.assert(
    fc.property(arbitraryPod, arbitraryContext, (pod, within) => {
      const after = mutated(pod, within).metadata?.labels ?? {}
      return Object.entries(pod.metadata?.labels ?? {}).every(([key, value]) => after[key] === value)
    }),
    runs,
  )
  t.pass()
})

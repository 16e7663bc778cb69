import fc from 'fast-check'
import jsonPatch from 'fast-json-patch'
import t from 'tap'
import { mutatePod } from '../../src/admission/mutate/mutate-pod.ts'
import { podPatch } from '../../src/admission/mutate/pod-patch.ts'
import type { Pod } from '../../src/admission/pod/pod.ts'
import { settableRules } from '../../src/admission/policy/modes.ts'
import { isShaped, standingOf } from '../../src/admission/policy/pod-class.ts'
import type { Mode } from '../../src/admission/policy/policy-document.ts'
import type { AdmissionContext } from '../../src/admission/rules/expected-fields.ts'
import { structuralRules } from '../../src/admission/rules/structural-rules.ts'
import { validatePod } from '../../src/admission/rules/validate-pod.ts'
import { arbitraryPod, injectedByAnother } from './arbitrary-pod.ts'
import { context, contextOf, fullPolicy, policy } from './pod-samples.ts'

/** Mutator and validator are derived from one table: for any pod and any policy they cannot disagree. */

const runs = { numRuns: 1_500 }

const modes = fc.record(
  Object.fromEntries(settableRules.map((rule) => [rule, fc.constantFrom<Mode>('enforce', 'warn', 'audit')])),
  { requiredKeys: [] },
)
const arbitraryContext: fc.Arbitrary<AdmissionContext> = fc.oneof(
  fc.constantFrom(context, contextOf(fullPolicy)),
  fc
    .tuple(fc.constantFrom(policy, fullPolicy), modes)
    .map(([document, chosen]) => contextOf({ ...document, modes: chosen as Record<string, Mode> })),
)

/** As the API server does it: the patch, not the object, is what travels, and no two parts are one object. */
const patched = (pod: Pod, within: AdmissionContext): Pod =>
  jsonPatch.applyPatch(JSON.parse(JSON.stringify(pod)) as Pod, podPatch(pod, mutatePod(pod, within)), true)
    .newDocument

const denials = (pod: Pod, within: AdmissionContext): string[] =>
  validatePod(pod, 'ai-agents', within)
    .filter(({ mode }) => mode === undefined)
    .map(({ rule }) => rule)

void t.test('what mutation leaves wrong is structural, and nothing else ever denies', async (t) => {
  const seen = new Set<string>()
  fc.assert(
    fc.property(arbitraryPod, arbitraryContext, (pod, within) => {
      const rules = denials(patched(pod, within), within)
      for (const rule of rules) seen.add(rule)
      if (isShaped(standingOf(pod, within.policy), pod))
        return rules.every((rule) => structuralRules.has(rule))
      // What is not mutated is refused for what it is, or is a component.
      const isComponent = standingOf(pod, within.policy).kind === 'component'
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
      return podPatch(once, mutatePod(once, within)).length === 0
    }),
    runs,
  )
  t.pass()
})

void t.test("after another injector's output one more mutation is enough, and it is right", async (t) => {
  fc.assert(
    fc.property(arbitraryPod, arbitraryContext, (pod, within) => {
      const again = patched(injectedByAnother(patched(pod, within)), within)
      if (podPatch(again, mutatePod(again, within)).length > 0) return false
      const shaped = isShaped(standingOf(again, within.policy), again)
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
      if (!isShaped(standingOf(after, within.policy), after)) return true
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

void t.test('the given pod is not touched, and unknown fields survive', async (t) => {
  fc.assert(
    fc.property(arbitraryPod, arbitraryContext, (pod, within) => {
      const before = JSON.stringify(pod)
      const after = JSON.stringify(mutatePod(pod, within))
      const count = (text: string): number => text.split('futureField').length
      return JSON.stringify(pod) === before && count(after) === count(before)
    }),
    runs,
  )
  t.pass()
})

void t.test('the patch applies, gives the mutated pod, and brings no secret value', async (t) => {
  fc.assert(
    fc.property(arbitraryPod, arbitraryContext, (pod, within) => {
      const patch = podPatch(pod, mutatePod(pod, within))
      if (/sk-very-secret|literal-value/.test(JSON.stringify(patch))) return false
      return JSON.stringify(patched(pod, within)).length === JSON.stringify(mutatePod(pod, within)).length
    }),
    runs,
  )
  t.pass()
})

void t.test('labels that are there are never changed', async (t) => {
  fc.assert(
    fc.property(arbitraryPod, arbitraryContext, (pod, within) => {
      const after = mutatePod(pod, within).metadata?.labels ?? {}
      return Object.entries(pod.metadata?.labels ?? {}).every(([key, value]) => after[key] === value)
    }),
    runs,
  )
  t.pass()
})

import fc from 'fast-check'
import t from 'tap'
import { changesOf, unexplained } from '../../../src/admission/mutate/pod-changes.ts'
import { podPatch } from '../../../src/admission/mutate/pod-patch.ts'
import type { Pod } from '../../../src/admission/pod/pod.ts'
import type { PolicyInForce } from '../../../src/admission/policy/policy-in-force.ts'
import { podContext } from '../../../src/admission/review/review-context.ts'
import { type AdmissionContext, withPod } from '../../../src/admission/rules/admission-context.ts'
import { debugDraftOf, draftOf } from '../../../src/admission/rules/draft.ts'
import { covers, leadsTo, type Segments, segmentsOf } from '../../../src/admission/rules/field-path.ts'
import { type GreenroomRule, kindOf } from '../../../src/admission/rules/greenroom-rule.ts'
import { greenroomRules } from '../../../src/admission/rules/greenroom-rules.ts'
import { arbitraryPod } from '../arbitrary-pod.ts'
import { creationOf, mutated } from '../pod-creation.ts'
import { fullPolicy, inForce, inForceOf, reviewOf, samplePod } from '../pod-samples.ts'
import { recordedPod } from './recorded-pod.ts'

/**
 * The fields of a rule are the ones that it reads and writes, no fewer and no more. Each judge runs over pods that note
 * what is read of them, and each mutation makes a patch of its own.
 */

const narrow = { ...fullPolicy, defaults: { ...fullPolicy.defaults, volumeKinds: [] } }
const policies = [inForce, inForceOf(fullPolicy), inForceOf(narrow)]

/** Members of these are keys, not elements of a list. */
const maps: ReadonlySet<string> = new Set(['labels', 'annotations', 'requests', 'limits'])

const ofComponent = {
  labels: {},
  container: { image: 'greenroom:0.1.0' },
  spec: { serviceAccountName: 'session-management-sa' },
}

const samples: readonly AdmissionContext[] = [
  ...fc
    .sample(fc.tuple(arbitraryPod, fc.constantFrom(...policies)), { numRuns: 300, seed: 11 })
    .map(([pod, within], index) => contextOf(pod, within, index % 3 === 0)),
  ...greenroomRules.flatMap(({ fields }) => fields.flatMap(segmentsOf)).flatMap(planted),
  contextOf(samplePod(ofComponent), inForce, false),
  ...policies.flatMap((within) => copied(within).map((pod) => contextOf(pod, within, false))),
]

/**
 * What the webhook has made of a pod, without the label, as `kubectl debug --copy-to` leaves it out; and the same of a version
 * that did not write the type into the pod.
 */
function copied(within: PolicyInForce): Pod[] {
  const labels = { 'greenroom.dev/pool': 'stella-agent', session: 's' }
  const { spec } = mutated(samplePod(), within)
  const containers = spec.containers.map((container) => ({
    ...container,
    env: container.env?.filter(({ name }) => name !== 'GREENROOM_AGENT_TYPE') ?? [],
  }))
  return [
    { metadata: { labels }, spec },
    { metadata: { labels }, spec: { ...spec, containers } },
  ]
}

/** Pods that have all that leads to a field, so that a new rule needs no new random pods. */
function planted(field: Segments): AdmissionContext[] {
  const pod = structuredClone(samplePod())
  plant(pod as unknown as Record<string, unknown>, field)
  const { ok } = podContext(reviewOf(pod), inForce)
  if (!ok) return []
  return policies.flatMap((within) => [contextOf(pod, within, false), contextOf(pod, within, true)])
}

function plant(node: Record<string, unknown>, [key = '', next, ...rest]: Segments): void {
  if (next === undefined) return
  const isList = next.endsWith('*') && !maps.has(key)
  node[key] ??= isList ? [] : {}
  if (!isList) return plant(node[key] as Record<string, unknown>, [next, ...rest])
  const element = { name: next.replace('*', 'x') }
  ;(node[key] as unknown[]).push(element)
  plant(element, rest)
}

/** Every third pod is a running one with debug containers, and with what Greenroom notes on a claimed pod. */
function contextOf(given: Pod, within: PolicyInForce, isRunning: boolean): AdmissionContext {
  const { metadata } = given
  const labels = { ...metadata?.labels, session: 's' }
  const annotations = { ...metadata?.annotations, 'greenroom.dev/template-hash': '00' }
  const pod = { ...given, metadata: { ...metadata, labels, annotations } }
  // Copies: a proxy knows one place of each object.
  const ephemeralContainers = structuredClone(given.spec.containers)
  const running = { ...pod, spec: { ...pod.spec, ephemeralContainers } }
  const context = creationOf(isRunning ? running : pod, within)
  // Somebody to whom the labels do not belong.
  return { ...context, username: 'alice', isNew: !isRunning, oldPod: isRunning ? pod : undefined }
}

interface Seen {
  readonly reads: readonly Segments[]
  readonly names: readonly Segments[]
  readonly wholes: readonly Segments[]
}

function readsOf(rule: GreenroomRule): Seen {
  const fields = new Map<string, Segments>()
  const names = new Map<string, Segments>()
  const wholes = new Map<string, Segments>()
  for (const context of samples) {
    if (!rule.judge || !rule.appliesTo.includes(kindOf(context.podClass))) continue
    const { pod, reads } = recordedPod(context.pod)
    const recorded = { ...withPod(context, pod), metadata: pod.metadata ?? {} }
    // What the class was found by is not the rule's reading.
    reads.fields.clear()
    reads.names.clear()
    reads.wholes.clear()
    rule.judge(recorded)
    for (const [key, place] of reads.fields) fields.set(key, place)
    for (const [key, place] of reads.names) names.set(key, place)
    for (const [key, place] of reads.wholes) wholes.set(key, place)
  }
  return { reads: [...fields.values()], names: [...names.values()], wholes: [...wholes.values()] }
}

/** Places that the rule writes; fails the test where its fields do not explain one. */
function writesOf(rule: GreenroomRule): readonly Segments[] {
  const places = new Map<string, Segments>()
  for (const context of samples) {
    const kind = kindOf(context.podClass)
    if (!rule.appliesTo.includes(kind) || (kind !== 'shaped' && kind !== 'component')) continue
    const draft = context.isNew ? draftOf(context) : debugDraftOf(context)
    const mutations = context.isNew ? [rule.mutate, rule.mutateAnyway] : [rule.mutateDebug]
    const before = { ...context.pod, metadata: { ...draft.metadata }, spec: structuredClone(draft.spec) }
    for (const mutate of mutations) mutate?.(draft, context)
    const patch = podPatch(before, { ...before, metadata: draft.metadata, spec: draft.spec })
    for (const { path, rule: found } of changesOf(before, patch, [rule.rule])) {
      if (found === unexplained.rule)
        throw new Error(`${rule.rule} writes ${path}, which is not in its fields`)
      const [place = []] = segmentsOf(path)
      places.set(path, place)
    }
  }
  return [...places.values()]
}

function undeclared(rule: GreenroomRule, { reads, wholes }: Seen): string[] {
  const patterns = rule.fields.flatMap(segmentsOf)
  const isDeclared = (place: Segments): boolean => patterns.some((pattern) => leadsTo(pattern, place))
  const isBelowWhole = (place: Segments): boolean =>
    wholes.some((whole) => isDeclared(whole) && whole.length < place.length && covers(whole, place))
  return [...reads, ...wholes]
    .filter((place) => !isDeclared(place) && !isBelowWhole(place))
    .map((place) => place.join('/'))
}

function unused(rule: GreenroomRule, places: readonly Segments[]): string[] {
  return rule.fields
    .flatMap(segmentsOf)
    .filter((pattern) => !places.some((place) => place.length >= pattern.length && covers(pattern, place)))
    .map((pattern) => pattern.join('/'))
}

void t.test('a rule reads and writes the fields that it declares, and no others', async (t) => {
  for (const rule of greenroomRules) {
    if (!rule.judge && !rule.mutate) {
      t.equal(rule.rule, 'malformed', 'judged by the decoder, which reads the whole object')
      continue
    }
    const seen = readsOf(rule)
    const writes = writesOf(rule)
    t.same(undeclared(rule, seen), [], `${rule.rule} reads nothing else`)
    t.same(
      unused(rule, [...seen.reads, ...seen.names, ...seen.wholes, ...writes]),
      [],
      `${rule.rule} uses all of its fields`,
    )
    t.equal(rule.mutated !== 'no', writes.length > 0, `${rule.rule}: "set by the webhook" is true`)
  }
})

void t.test('the guard sees a field too few and a field too many', async (t) => {
  const secrets = greenroomRules.find(({ rule }) => rule === 'secret-references')
  if (!secrets) return t.fail('there is a rule secret-references')
  const fewer = { ...secrets, fields: secrets.fields.filter((field) => !field.includes('.csi.')) }
  t.match(undeclared(fewer, readsOf(fewer)), [/csi/])
  const more = { ...secrets, fields: [...secrets.fields, 'spec.hostNetwork'] }
  const { reads, names } = readsOf(more)
  t.same(unused(more, [...reads, ...names]), ['spec/hostNetwork'])
})

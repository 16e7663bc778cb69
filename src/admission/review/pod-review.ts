import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { type Checked, describeErrors } from '../../domain/checked-document.ts'
import { label } from '../../domain/names.ts'
import { mutateDebugContainers, mutatePod } from '../mutate/mutate-pod.ts'
import { Metadata, Pod } from '../pod/pod.ts'
import type { Violation } from '../pod/violation.ts'
import { standingOf } from '../policy/pod-class.ts'
import { type AdmissionContext, writtenAnnotations } from '../rules/expected-fields.ts'
import { checkLabelOwnership } from '../rules/label-ownership.ts'
import { validatePod } from '../rules/validate-pod.ts'
import type { AdmissionRequest, Answer } from './admission-review.ts'
import { isMirrorPod, mirrorPodRemark } from './mirror-pod.ts'
import { patchedAnswer } from './patched-answer.ts'
import { rolloutVerdict, verdict } from './verdict.ts'

const podValidator = Compile(Pod)
const WithMetadata = Type.Object({ metadata: Type.Optional(Metadata) })
type WithMetadata = Static<typeof WithMetadata>
const objectValidator = Compile(WithMetadata)

const allowed = { kind: 'allowed' } as const satisfies Answer

/** Subresources that cannot change what a pod is; unknown ones are judged in full, so that a newer API fails safe. */
const harmless: ReadonlySet<string> = new Set(['exec', 'attach', 'eviction', 'log', 'portforward', 'proxy'])
/** Subresources through which only metadata of the pod can change. A Binding's labels are copied to its pod. */
const metadataOnly: ReadonlySet<string> = new Set(['status', 'binding'])

/**
 * POST /mutate. Hardens a new pod or a new debug container, and refuses at once what hardening cannot make right:
 * PodSecurity judges before the validating webhook and would answer without our reasons. What does not deny is told by
 * the validating webhook, which sees the final pod; in a namespace of the roll-out, where nothing is changed, here.
 */
export function mutateReview(request: AdmissionRequest, context: AdmissionContext): Answer {
  const { operation, subResource = '' } = request
  if (!isPods(request)) return allowed
  if (operation === 'CREATE' && subResource === '' && isMirrorPod(request)) return mirrorPodRemark
  if (operation === 'CREATE' && subResource === '') return mutateCreation(request, context)
  if (operation === 'UPDATE' && subResource === 'ephemeralcontainers')
    return mutateDebugging(request, context)
  return allowed
}

function mutateCreation(request: AdmissionRequest, context: AdmissionContext): Answer {
  const decoded = decodePod(request.object)
  if (!decoded.ok) return malformed(decoded.problems)
  const pod = decoded.value
  const foreign = [...ownershipViolations(request, pod, context), ...sessionLabelViolations(pod)]
  const mutated = mutatePod(pod, context)
  const namespace = namespaceOf(request, pod)
  const found = validatePod(mutated, namespace, context)
  // A pod that is none of the table's was not hardened: the rest would be a list of what the webhook would have set.
  const outside = found.filter(({ rule }) => rule === 'agent-type' || rule === 'operating-system')
  const told = [...foreign, ...(outside.length > 0 ? outside : found)]
  const outcome = patchedAnswer(request, pod, mutated)
  if (isRolledOut(request, pod, context)) return rolloutVerdict(told, outcome.patch, namespace)
  return enforcedVerdict(told, outcome)
}

function mutateDebugging(request: AdmissionRequest, context: AdmissionContext): Answer {
  const decoded = decodePod(request.object)
  const before = decodePod(request.oldObject)
  if (!decoded.ok || !before.ok) return malformed(decoded.ok ? [] : decoded.problems)
  const pod = decoded.value
  if (isRolledOut(request, pod, context)) return allowed
  const mutated = mutateDebugContainers(pod, before.value, context)
  const found = withoutOlder(validatePod(mutated, namespaceOf(request, pod), context), request, context)
  return enforcedVerdict(found, patchedAnswer(request, pod, mutated))
}

function enforcedVerdict(found: readonly Violation[], outcome: Parameters<typeof verdict>[1]): Answer {
  return verdict(
    found.filter(({ mode }) => mode === undefined),
    outcome,
  )
}

/** POST /validate. The last look at a new pod, and at what an update makes worse. Never patches. */
export function validateReview(request: AdmissionRequest, context: AdmissionContext): Answer {
  const { operation, subResource = '' } = request
  if (!isPods(request) || (operation !== 'CREATE' && operation !== 'UPDATE') || harmless.has(subResource)) {
    return allowed
  }
  // A mirror pod shows what a node runs already; whose labels it may carry is judged all the same.
  if (isMirrorPod(request)) {
    const violations = metadataViolations(request, context)
    return violations.length > 0 ? { kind: 'denied', violations } : mirrorPodRemark
  }
  return metadataOnly.has(subResource)
    ? verdict(metadataViolations(request, context), allowed)
    : validatePodReview(request, context)
}

function metadataViolations(request: AdmissionRequest, context: AdmissionContext): Violation[] {
  const decoded = decodeObject(request.object)
  return decoded.ok
    ? ownershipViolations(request, decoded.value, context)
    : malformedViolations(decoded.problems)
}

function validatePodReview(request: AdmissionRequest, context: AdmissionContext): Answer {
  const decoded = decodePod(request.object)
  if (!decoded.ok) return malformed(decoded.problems)
  const pod = decoded.value
  const isNew = request.operation === 'CREATE'
  const rolledOut = isRolledOut(request, pod, context)
  const judged = rolledOut ? asMutated(pod, request, context) : pod
  const namespace = namespaceOf(request, pod)
  const found = [
    ...ownershipViolations(request, pod, context),
    ...(isNew ? sessionLabelViolations(pod) : []),
    ...withoutOlder(validatePod(judged, namespace, context), request, context),
  ]
  if (!rolledOut) return verdict(found, allowed)
  const answer = rolloutVerdict(found, [], namespace)
  // The mutating webhook has told of a new pod already.
  return isNew && answer.kind !== 'denied' ? allowed : answer
}

/** What the mutating webhook would have made of the pod where it changes nothing. */
function asMutated(pod: Pod, request: AdmissionRequest, context: AdmissionContext): Pod {
  if (request.operation === 'CREATE') return mutatePod(pod, context)
  const before = decodePod(request.oldObject)
  return before.ok ? mutateDebugContainers(pod, before.value, context) : pod
}

/**
 * True where the policy is only tried out. Pods of pools are not part of the trial: they come from Greenroom, which
 * alone may set their label.
 */
function isRolledOut(request: AdmissionRequest, pod: Pod, { policy }: AdmissionContext): boolean {
  return (
    policy.rollout.audit.includes(namespaceOf(request, pod)) &&
    !policy.greenroomServiceAccounts.includes(request.userInfo.username ?? '') &&
    pod.metadata?.labels?.[label.pool] === undefined
  )
}

/** A pod of a pool that says whose it is before anybody has claimed it. */
function sessionLabelViolations({ metadata }: Pod): Violation[] {
  const { [label.pool]: pool, [label.session]: session } = metadata?.labels ?? {}
  if (pool === undefined || session === undefined) return []
  return [
    {
      rule: 'pool-credentials',
      code: 'GRN_POLICY_VIOLATION',
      path: `metadata.labels[${label.session}]`,
      found: 'set',
      allowed: 'unset on a new pod of a pool',
      fix: 'Remove it: a warm pod belongs to no session yet.',
    },
  ]
}

/**
 * An update answers only for what it changes: what was wrong before (a pod older than the policy) stays as it was, or
 * nobody could remove its finalizer.
 */
function withoutOlder(
  found: readonly Violation[],
  request: AdmissionRequest,
  context: AdmissionContext,
): readonly Violation[] {
  if (found.length === 0 || request.operation !== 'UPDATE') return found
  const before = decodePod(request.oldObject)
  if (!before.ok) return found
  const key = (violation: Violation): string =>
    JSON.stringify([violation.rule, violation.path, violation.found])
  const older = new Set(validatePod(before.value, namespaceOf(request, before.value), context).map(key))
  return found.filter((violation) => !older.has(key(violation)))
}

function ownershipViolations(
  request: AdmissionRequest,
  object: Pod | WithMetadata,
  context: AdmissionContext,
): Violation[] {
  const { username = '' } = request.userInfo
  if (context.policy.greenroomServiceAccounts.includes(username)) return []
  // Null at every creation: a decoder that refuses it looks for reasons, which costs more than the rest of this.
  const before = isAbsent(request.oldObject) ? undefined : decodeObject(request.oldObject)
  const isNewPod = request.operation === 'CREATE' && 'spec' in object
  return checkLabelOwnership({
    before: before?.ok ? before.value.metadata : undefined,
    after: object.metadata ?? {},
    written: isNewPod ? writtenOver(request, object, context) : new Set(),
  })
}

function isAbsent(object: unknown): boolean {
  return object === null || object === undefined
}

/** Annotations of a new pod that say what they do by Greenroom's doing. Where nothing is changed, only by chance. */
function writtenOver(request: AdmissionRequest, pod: Pod, context: AdmissionContext): ReadonlySet<string> {
  const written = Object.entries(writtenAnnotations(standingOf(pod, context.policy), context))
  const isChanged = !isRolledOut(request, pod, context)
  return new Set(
    written
      .filter(([key, value]) => isChanged || pod.metadata?.annotations?.[key] === value)
      .map(([key]) => key),
  )
}

function isPods({ resource }: AdmissionRequest): boolean {
  return resource.group === '' && resource.resource === 'pods'
}

function namespaceOf(request: AdmissionRequest, pod: Pod): string {
  return request.namespace ?? pod.metadata?.namespace ?? ''
}

export function decodePod(object: unknown): Checked<Pod> {
  if (podValidator.Check(object)) return { ok: true, value: object }
  return { ok: false, problems: describeErrors(podValidator.Errors(object)) }
}

function decodeObject(object: unknown): Checked<WithMetadata> {
  if (objectValidator.Check(object)) return { ok: true, value: object }
  return { ok: false, problems: describeErrors(objectValidator.Errors(object)) }
}

function malformed(problems: readonly string[]): Answer {
  return { kind: 'denied', violations: malformedViolations(problems) }
}

function malformedViolations(problems: readonly string[]): Violation[] {
  return [
    {
      rule: 'malformed',
      code: 'GRN_POLICY_VIOLATION',
      path: 'object',
      found: 'not a pod that can be judged',
      allowed: 'a pod of v1',
      fix: problems.slice(0, 3).join('; '),
    },
  ]
}

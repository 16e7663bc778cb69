import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { type Checked, describeErrors } from '../domain/checked-document.ts'
import { checkLabelOwnership } from './checks/label-ownership.ts'
import { type AdmissionContext, writtenAnnotations } from './expectations.ts'
import { isMirrorPod, mirrorPodRemark } from './mirror-pod.ts'
import { mutatePod } from './mutate-pod.ts'
import { Metadata, Pod } from './pod.ts'
import { podPatch } from './pod-patch.ts'
import type { AdmissionRequest, Answer } from './review.ts'
import { standingOf } from './standing.ts'
import { validatePod } from './validate-pod.ts'
import type { Violation } from './violation.ts'

const podValidator = Compile(Pod)
const WithMetadata = Type.Object({ metadata: Type.Optional(Metadata) })
type WithMetadata = Static<typeof WithMetadata>
const objectValidator = Compile(WithMetadata)

const allowed: Answer = { kind: 'allowed' }

/** Subresources that cannot change what a pod is; unknown ones are judged in full, so that a newer API fails safe. */
const harmless: ReadonlySet<string> = new Set(['exec', 'attach', 'eviction', 'log', 'portforward', 'proxy'])
/** Subresources through which only metadata of the pod can change. A Binding's labels are copied to its pod. */
const metadataOnly: ReadonlySet<string> = new Set(['status', 'binding'])

/**
 * POST /mutate. Hardens a new pod, and refuses at once what hardening cannot make right: PodSecurity judges before the
 * validating webhook and would answer without our reasons.
 */
export function mutateReview(request: AdmissionRequest, context: AdmissionContext): Answer {
  if (!isPods(request) || request.operation !== 'CREATE' || (request.subResource ?? '') !== '') return allowed
  if (isMirrorPod(request)) return mirrorPodRemark
  const decoded = decodePod(request.object)
  if (!decoded.ok) return malformed(decoded.problems)
  const pod = decoded.value
  const foreign = ownershipViolations(request, pod, context)
  const mutated = mutatePod(pod, context)
  const found = validatePod(mutated, namespaceOf(request, pod), context)
  // Without a row nothing was hardened: the rest would be a list of what the webhook would have set.
  const unknownType = found.filter((violation) => violation.code === 'GRN_AGENT_TYPE_UNKNOWN')
  const violations = [...foreign, ...(unknownType.length > 0 ? unknownType : found)]
  return violations.length > 0
    ? { kind: 'denied', violations }
    : { kind: 'patched', patch: podPatch(pod, mutated) }
}

/** POST /validate. The last look at a new pod, and at what an update makes worse. Never patches. */
export function validateReview(request: AdmissionRequest, context: AdmissionContext): Answer {
  const { operation, subResource = '' } = request
  if (!isPods(request) || (operation !== 'CREATE' && operation !== 'UPDATE') || harmless.has(subResource)) {
    return allowed
  }
  // A mirror pod shows what a node runs already; whose labels it may carry is judged all the same.
  const mirror = isMirrorPod(request)
  const violations =
    mirror || metadataOnly.has(subResource)
      ? metadataViolations(request, context)
      : podViolations(request, context)
  if (violations.length > 0) return { kind: 'denied', violations }
  return mirror ? mirrorPodRemark : allowed
}

function metadataViolations(request: AdmissionRequest, context: AdmissionContext): Violation[] {
  const decoded = decodeObject(request.object)
  return decoded.ok
    ? ownershipViolations(request, decoded.value, context)
    : malformedViolations(decoded.problems)
}

function podViolations(request: AdmissionRequest, context: AdmissionContext): Violation[] {
  const decoded = decodePod(request.object)
  if (!decoded.ok) return malformedViolations(decoded.problems)
  const pod = decoded.value
  const found = validatePod(pod, namespaceOf(request, pod), context)
  return [...ownershipViolations(request, pod, context), ...withoutOlder(found, request, context)]
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
  const before = decodeObject(request.oldObject)
  const isNewPod = request.operation === 'CREATE' && 'spec' in object
  return checkLabelOwnership({
    before: before.ok ? before.value.metadata : undefined,
    after: object.metadata ?? {},
    written: isNewPod ? writtenAnnotations(standingOf(object, context.policy), context) : {},
  })
}

function isPods({ resource }: AdmissionRequest): boolean {
  return resource.group === '' && resource.resource === 'pods'
}

function namespaceOf(request: AdmissionRequest, pod: Pod): string {
  return request.namespace ?? pod.metadata?.namespace ?? ''
}

function decodePod(object: unknown): Checked<Pod> {
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

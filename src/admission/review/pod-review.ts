import { annotation } from '../../domain/names.ts'
import { type MutatedPod, mutatePod } from '../mutate/mutate-pod.ts'
import { changesOf, describeChange } from '../mutate/pod-changes.ts'
import { podPatch } from '../mutate/pod-patch.ts'
import type { Pod } from '../pod/pod.ts'
import { sameValue } from '../pod/same-value.ts'
import { isCut, type Violation } from '../pod/violation.ts'
import type { PolicyInForce } from '../policy/policy-in-force.ts'
import { type AdmissionContext, type MetadataChange, ofOldPod, withPod } from '../rules/admission-context.ts'
import { copiedPod, plainCopyOf } from '../rules/copied-pod.ts'
import { violationBy } from '../rules/greenroom-rule.ts'
import { isGuarding, judgeGuards } from '../rules/judge-guards.ts'
import { judgePod } from '../rules/judge-pod.ts'
import { labelOwnership } from '../rules/label-ownership.ts'
import { malformedObject } from '../rules/malformed.ts'
import { changedMetadata, ownPodChanges } from '../rules/own-pod-changes.ts'
import type { AdmissionRequest, Answer, Patched } from './admission-review.ts'
import { withDebugHint } from './debug-hint.ts'
import { isMirrorPod, mirrorPodRemark } from './mirror-pod.ts'
import { judgedOfRequest } from './pod-roads.ts'
import { replacedValues } from './replaced-values.ts'
import { metadataContext, podContext } from './review-context.ts'
import { rolloutVerdict, verdict } from './verdict.ts'

/**
 * One review of a pod, top to bottom: the request is decoded and classified once (review-context.ts), the pod is made
 * right (mutate-pod.ts), what is left is judged (judge-pod.ts), and the violations become an answer (verdict.ts).
 */

const allowed = { kind: 'allowed' } as const satisfies Answer

/**
 * POST /mutate. Hardens a new pod or a new debug container, and refuses at once what hardening cannot make right:
 * PodSecurity judges before the validating webhook and would answer without our reasons. Violations that do not deny are
 * told by the validating webhook, which sees the final pod; in a namespace of the roll-out they are told here.
 */
export function mutateReview(request: AdmissionRequest, inForce: PolicyInForce): Answer {
  const { operation, subResource = '' } = request
  if (!isPods(request)) return allowed
  if (operation === 'CREATE' && subResource === '') return reviewCreation(request, inForce).answer
  if (operation === 'UPDATE' && subResource === 'ephemeralcontainers')
    return reviewDebugging(request, inForce)
  return allowed
}

/** What became of a new pod, with the answer. */
export interface CreationReview {
  readonly answer: Answer
  /** Undefined if the object is no pod. */
  readonly context?: AdmissionContext
  /** What the webhook would change, also in a pod that is denied. */
  readonly outcome?: Patched
  readonly mutated?: MutatedPod
}

export function reviewCreation(request: AdmissionRequest, inForce: PolicyInForce): CreationReview {
  const review = reviewAsWritten(request, inForce)
  return review.answer.kind === 'denied' ? asPlainCopy(request, inForce, review) : review
}

const plainCopyWarning =
  "This copy of an agent pod may not be of the type of its original. It is a plain pod, without what Greenroom injected there: no Secret of the type's row."

/** A copy with another image or command may not hold what its original holds, but it may be a plain pod. */
function asPlainCopy(
  request: AdmissionRequest,
  inForce: PolicyInForce,
  review: CreationReview,
): CreationReview {
  const { context } = review
  const object = context && plainCopyOf(context)
  if (!object) return review
  const plain = reviewAsWritten({ ...request, object }, inForce)
  if (plain.answer.kind !== 'patched' || !plain.mutated) return review
  const outcome = patched(context, {
    pod: plain.mutated.pod,
    rules: [...new Set([copiedPod.rule, ...plain.mutated.rules])],
  })
  const { warnings = [] } = plain.answer
  return {
    context,
    outcome,
    answer: { ...plain.answer, ...outcome, warnings: [plainCopyWarning, ...warnings] },
  }
}

function reviewAsWritten(request: AdmissionRequest, inForce: PolicyInForce): CreationReview {
  const decoded = podContext(request, inForce)
  if (!decoded.ok) return { answer: malformed(decoded.problems) }
  const context = decoded.value
  if (isMirrorPod(request, context)) return { answer: mirrorPodRemark, context }
  const mutated = mutatePod(context)
  const judged = worthTelling(judgePod(afterMutation(context, mutated)))
  const found = withDebugHint(context.isRolledOut ? inTrial(context, judged) : judged, context)
  const outcome = patched(context, mutated)
  const answer = context.isRolledOut
    ? rolloutVerdict(found, outcome.patch, context.namespace)
    : enforcedVerdict(found, () => withReasons(request, context, { ...outcome, pod: mutated.pod }))
  return { answer, context, outcome, mutated }
}

/** What a copy of a pod may not keep is gone by now. Where nothing is changed, it is still there. */
function afterMutation(context: AdmissionContext, { pod }: MutatedPod): AdmissionContext {
  return withPod(context, pod, context.isRolledOut ? context.metadata : (pod.metadata ?? {}))
}

/**
 * In a roll-out the pod stays as it is. So what guards Greenroom judges that, and the rest what would be made of the pod:
 * the account that a row would give must not hide the one that the pod keeps.
 */
function inTrial(context: AdmissionContext, judged: readonly Violation[]): Violation[] {
  return [...judgeGuards(context), ...judged.filter((violation) => !isGuarding(violation))]
}

/**
 * A pod that is none of the table's was not hardened. Most violations would only list what the webhook would have set;
 * what metadata may say does not depend on that.
 */
function worthTelling(found: readonly Violation[]): readonly Violation[] {
  const isReason = ({ rule }: Violation): boolean => rule === 'agent-type' || rule === 'operating-system'
  if (!found.some(isReason)) return found
  return found.filter((violation) => isReason(violation) || violation.path.startsWith('metadata.'))
}

function reviewDebugging(request: AdmissionRequest, inForce: PolicyInForce): Answer {
  const decoded = podContext(request, inForce)
  if (!decoded.ok) return malformed(decoded.problems)
  const context = decoded.value
  if (!context.oldPod) return malformed([])
  if (context.isRolledOut) return allowed
  const mutated = mutatePod(context)
  const found = withoutOlder(judgePod(withPod(context, mutated.pod)), context)
  const outcome = { ...patched(context, mutated), pod: mutated.pod }
  return enforcedVerdict(withDebugHint(found, context), () => withReasons(request, context, outcome))
}

function patched({ pod }: AdmissionContext, mutated: MutatedPod): Patched {
  return { kind: 'patched', patch: podPatch(pod, mutated.pod), rules: mutated.rules }
}

type Told = Patched & Pick<Answer, 'warnings'>

/**
 * An author is told what becomes of the values that they gave. A dry run, or an author who asks, is told of the thirty
 * other changes too.
 */
function withReasons(
  { dryRun }: AdmissionRequest,
  { pod, policy, username }: AdmissionContext,
  { pod: after, ...outcome }: Patched & { readonly pod: Pod },
): Told {
  const isAsked = dryRun === true || pod.metadata?.annotations?.[annotation.explain] === 'true'
  if (isAsked) {
    return { ...outcome, warnings: changesOf(pod, outcome.patch, outcome.rules).map(describeChange) }
  }
  // Greenroom's controller has nobody to tell.
  if (policy.greenroomServiceAccounts.includes(username)) return outcome
  const warnings = replacedValues(pod, after, outcome.rules)
  return warnings.length > 0 ? { ...outcome, warnings } : outcome
}

/** `told` is asked only where nothing denies: who is refused learns nothing of the other changes. */
function enforcedVerdict(found: readonly Violation[], told: () => Told): Answer {
  const denying = found.filter(({ mode }) => mode === undefined)
  return denying.length > 0 ? { kind: 'denied', violations: denying } : told()
}

/** POST /validate. The last look at a new pod, and at what an update makes worse. Never patches. */
export function validateReview(request: AdmissionRequest, inForce: PolicyInForce): Answer {
  const { operation } = request
  const judged = judgedOfRequest(request)
  if (judged === undefined || judged === 'nothing') return allowed
  if (operation !== 'CREATE' && operation !== 'UPDATE') return allowed
  if (judged === 'metadata') {
    const decoded = metadataContext(request, inForce)
    if (!decoded.ok) return malformed(decoded.problems)
    return validateMetadata(decoded.value, isMirrorPod(request, decoded.value) ? mirrorPodRemark : allowed)
  }
  const decoded = podContext(request, inForce)
  if (!decoded.ok) return malformed(decoded.problems)
  // A mirror pod shows what a node runs already. Which labels it may carry is judged all the same.
  return isMirrorPod(request, decoded.value)
    ? validateMetadata(decoded.value, mirrorPodRemark)
    : validatePod(decoded.value)
}

function validateMetadata(change: MetadataChange, passed: Answer): Answer {
  const violations = [
    ...labelOwnership.judge(change).map((found) => violationBy(labelOwnership, found)),
    ...(change.isNew ? [] : changedMetadata(change)).map((found) => violationBy(ownPodChanges, found)),
  ]
  return violations.length > 0 ? { kind: 'denied', violations } : passed
}

function validatePod(context: AdmissionContext): Answer {
  if (!context.isRolledOut) return verdict(withoutOlder(judgePod(context), context), allowed)
  const judged = judgePod(withPod(context, mutatePod(context).pod))
  const found = withoutOlder(inTrial(context, judged), context)
  const answer = rolloutVerdict(found, [], context.namespace)
  // The mutating webhook has told of a new pod already.
  return context.isNew && answer.kind !== 'denied' ? allowed : answer
}

/**
 * An update answers only for what it makes worse. A pod that is older than the policy may break it already, and its
 * finalizers must stay removable.
 */
function withoutOlder(found: readonly Violation[], context: AdmissionContext): readonly Violation[] {
  const old = found.length > 0 && !context.isNew ? ofOldPod(context) : undefined
  if (!old) return found
  const key = ({ rule, path, found: text }: Violation): string => JSON.stringify([rule, path, text])
  const before = old.isRolledOut ? inTrial(old, judgePod(old)) : judgePod(old)
  const older = new Set(before.map(key))
  const isOlder = (violation: Violation): boolean =>
    older.has(key(violation)) && (!isCut(violation.found) || isUntouched(violation.path, context, old))
  return found.filter((violation) => !isOlder(violation))
}

/** True if the whole field of the metadata or the spec at the path, or the element of its list, is as before. */
function isUntouched(path: string, { pod }: AdmissionContext, { pod: oldPod }: AdmissionContext): boolean {
  const [, part, field = '', index] = /^(metadata|spec)\.(\w+)(?:\[(\d+)\])?/.exec(path) ?? []
  if (part !== 'metadata' && part !== 'spec') return false
  const [after, before] = [pod, oldPod].map((one) => {
    const value = (one[part] as Readonly<Record<string, unknown>> | undefined)?.[field]
    return index !== undefined && Array.isArray(value) ? (value[Number(index)] as unknown) : value
  })
  return sameValue(after, before)
}

function isPods({ resource }: AdmissionRequest): boolean {
  return resource.group === '' && resource.resource === 'pods'
}

function malformed(problems: readonly string[]): Answer {
  return { kind: 'denied', violations: [malformedObject(problems)] }
}

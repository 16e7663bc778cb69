import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { type Checked, describeErrors } from '../../domain/checked-document.ts'
import { label } from '../../domain/names.ts'
import { Metadata, Pod } from '../pod/pod.ts'
import { sizeProblems } from '../pod/pod-size.ts'
import type { PolicyInForce } from '../policy/policy-in-force.ts'
import { type AdmissionContext, admissionContext, type MetadataChange } from '../rules/admission-context.ts'
import type { AdmissionRequest } from './admission-review.ts'

/** Where a request becomes what rules judge. Its objects are decoded here and nowhere else. */

const podValidator = Compile(Pod)
const WithMetadata = Type.Object({ metadata: Type.Optional(Metadata) })
type WithMetadata = Static<typeof WithMetadata>
const metadataValidator = Compile(WithMetadata)

/** The pod of the request, classified, with its circumstances; or why it cannot be read. */
export function podContext(request: AdmissionRequest, inForce: PolicyInForce): Checked<AdmissionContext> {
  const { object, oldObject } = request
  const tooLarge = growth(request)
  if (tooLarge.length > 0) return { ok: false, problems: tooLarge }
  if (!podValidator.Check(object)) return { ok: false, problems: describeErrors(podValidator.Errors(object)) }
  const oldPod = !isAbsent(oldObject) && podValidator.Check(oldObject) ? oldObject : undefined
  const before = oldPod ? oldPod.metadata : metadataOf(oldObject)
  const namespace = request.namespace ?? object.metadata?.namespace ?? ''
  const change = metadataChange(request, inForce, { metadata: object.metadata, before })
  const isNew = request.operation === 'CREATE'
  const context = admissionContext(object, { ...change, isNew, namespace, oldPod })
  return { ok: true, value: isRolledOut(context) ? { ...context, isRolledOut: true } : context }
}

/** For requests that can change nothing but metadata; their object may be no pod. */
export function metadataContext(request: AdmissionRequest, inForce: PolicyInForce): Checked<MetadataChange> {
  const { object, oldObject } = request
  const tooLarge = growth(request)
  if (tooLarge.length > 0) return { ok: false, problems: tooLarge }
  if (!metadataValidator.Check(object)) {
    return { ok: false, problems: describeErrors(metadataValidator.Errors(object)) }
  }
  const { metadata } = object as WithMetadata
  return { ok: true, value: metadataChange(request, inForce, { metadata, before: metadataOf(oldObject) }) }
}

/** A pod that was as large before must stay deletable, so its finalizers may still be removed. */
function growth({ object, oldObject }: AdmissionRequest): readonly string[] {
  const problems = sizeProblems(object)
  return problems.length > 0 && sizeProblems(oldObject).length > 0 ? [] : problems
}

interface BeforeAndAfter {
  readonly metadata: Metadata | undefined
  readonly before: Metadata | undefined
}

function metadataChange(
  { userInfo }: AdmissionRequest,
  { policy, assignKeys }: PolicyInForce,
  { metadata = {}, before }: BeforeAndAfter,
): MetadataChange {
  const { username = '' } = userInfo
  return { policy, assignKeys, username, isNew: false, isRolledOut: false, metadata, before }
}

/** An old object that cannot be read counts as one without metadata. */
function metadataOf(oldObject: unknown): Metadata | undefined {
  // Null at every creation: the validator would look for it all the same.
  if (isAbsent(oldObject) || !metadataValidator.Check(oldObject)) return undefined
  return (oldObject as WithMetadata).metadata
}

function isAbsent(object: unknown): boolean {
  return object === null || object === undefined
}

/**
 * True where the policy is only tried out. Neither pods of pools, which come from Greenroom, nor its components, which
 * get their name from admission, are part of the trial.
 */
function isRolledOut({ policy, username, metadata, namespace, podClass }: AdmissionContext): boolean {
  return (
    policy.rollout.audit.includes(namespace) &&
    !policy.greenroomServiceAccounts.includes(username) &&
    podClass.kind !== 'component' &&
    metadata.labels?.[label.pool] === undefined
  )
}

import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { type Checked, describeErrors } from '../../domain/checked-document.ts'
import { errorCatalogue } from '../../error-catalogue.ts'
import type { PatchOperation } from '../mutate/pod-patch.ts'
import { describeViolation, shownPath, type Violation } from '../pod/violation.ts'

/** AdmissionReview of admission.k8s.io/v1: what the API server asks and what it accepts as an answer. */

const apiVersion = 'admission.k8s.io/v1'
const kind = 'AdmissionReview'

const GroupVersionResource = Type.Object({
  group: Type.String(),
  version: Type.String(),
  resource: Type.String(),
})

const Review = Type.Object({
  apiVersion: Type.Literal(apiVersion),
  kind: Type.Literal(kind),
  request: Type.Object({
    uid: Type.String({ minLength: 1 }),
    resource: GroupVersionResource,
    subResource: Type.Optional(Type.String()),
    name: Type.Optional(Type.String()),
    namespace: Type.Optional(Type.String()),
    operation: Type.Union([
      Type.Literal('CREATE'),
      Type.Literal('UPDATE'),
      Type.Literal('DELETE'),
      Type.Literal('CONNECT'),
    ]),
    userInfo: Type.Object({
      username: Type.Optional(Type.String()),
      groups: Type.Optional(Type.Array(Type.String())),
    }),
    // Null on DELETE and CREATE respectively. The review of each resource decodes them.
    object: Type.Optional(Type.Unknown()),
    oldObject: Type.Optional(Type.Unknown()),
    dryRun: Type.Optional(Type.Boolean()),
  }),
})
export type AdmissionRequest = Static<typeof Review>['request']

const validator = Compile(Review)

/**
 * Deepest nesting that is judged, because the code behind this point may recurse. The deepest that Kubernetes itself
 * writes, the managedFields of a CronJob, has about 25 levels.
 */
const deepestLevel = 100

/** The request in a parsed body, or why it is not an AdmissionReview of v1. */
export function decodeReview(body: unknown): Checked<AdmissionRequest> {
  if (isDeeper(body, deepestLevel)) {
    return { ok: false, problems: [`it is nested deeper than ${deepestLevel} levels`] }
  }
  if (validator.Check(body)) return { ok: true, value: body.request }
  return { ok: false, problems: describeErrors(validator.Errors(body)) }
}

/** True if there are more levels of objects and arrays than this; never looks further down. */
function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (levels === 0) return true
  if (Array.isArray(value)) {
    // A loop, not `some`: this visits every value of a review, and a closure for each list would cost time.
    for (const item of value) if (isDeeper(item, levels - 1)) return true
    return false
  }
  for (const key in value) {
    if (isDeeper((value as Record<string, unknown>)[key], levels - 1)) return true
  }
  return false
}

/** A patch that makes the object what the table wants. */
export interface Patched {
  readonly kind: 'patched'
  readonly patch: readonly PatchOperation[]
  /** Names of the rules that made the patch. */
  readonly rules: readonly string[]
}

type Decision =
  | { readonly kind: 'allowed' }
  | Patched
  | { readonly kind: 'denied'; readonly violations: readonly Violation[] }

/** What is said beside the decision; never the value of an env variable or a secret. */
interface Remarks {
  /** One line each, shown by kubectl. */
  readonly warnings?: readonly string[]
  /** Qualified names without a prefix; the API server puts the webhook's name before them. */
  readonly audit?: Readonly<Record<string, string>>
  /** Violations that did not deny, each with its mode: for the metrics, not for the wire. */
  readonly noted?: readonly Violation[]
}

export type Answer = Decision & Remarks

export interface AdmissionResponse {
  readonly uid: string
  readonly allowed: boolean
  readonly patchType?: 'JSONPatch'
  /** Base64 of a JSON array. Never there without patchType, and never empty. */
  readonly patch?: string
  readonly status?: object
  readonly warnings?: readonly string[]
  /** Keys become `<webhook name>/<key>` in the audit log. */
  readonly auditAnnotations?: Readonly<Record<string, string>>
}

export interface ReviewAnswer {
  readonly apiVersion: typeof apiVersion
  readonly kind: typeof kind
  readonly response: AdmissionResponse
}

/** Names of the rules that changed or refused the object, each once. */
export function rulesOfAnswer(answer: Answer): readonly string[] {
  if (answer.kind === 'patched') return answer.rules
  return answer.kind === 'denied' ? [...new Set(answer.violations.map(({ rule }) => rule))] : []
}

/** Longer than all names of rules together; audit logs are kept for years. */
const auditRulesLength = 512

/** The answer on the wire. The uid must be the request's, letter for letter. */
export function encodeAnswer(uid: string, answer: Answer, policyVersion: string): ReviewAnswer {
  const { warnings = [], audit } = answer
  const rules = rulesOfAnswer(answer).join(',').slice(0, auditRulesLength)
  const response = {
    uid,
    ...responseOf(answer),
    ...(warnings.length > 0 && { warnings: clipped(warnings) }),
    auditAnnotations: { 'policy-version': policyVersion, ...(rules !== '' && { rules }), ...audit },
  }
  return { apiVersion, kind, response }
}

/** Above 4,096 characters in all the API server cuts every warning to 256, so a few whole ones are sent instead. */
const warningCharacters = 4_096

function clipped(warnings: readonly string[]): string[] {
  const kept: string[] = []
  let left = warningCharacters - 'and 100000 more warnings'.length
  for (const warning of new Set(warnings)) {
    left -= warning.length
    if (left < 0) return [...kept, `and ${new Set(warnings).size - kept.length} more warnings`]
    kept.push(warning)
  }
  return kept
}

function responseOf(answer: Answer): Pick<AdmissionResponse, 'allowed' | 'patchType' | 'patch' | 'status'> {
  switch (answer.kind) {
    case 'allowed':
      return { allowed: true }
    case 'patched':
      // A patchType with an empty patch is a failed call.
      if (answer.patch.length === 0) return { allowed: true }
      return { allowed: true, patchType: 'JSONPatch', patch: base64(JSON.stringify(answer.patch)) }
    case 'denied':
      return { allowed: false, status: statusOf(answer.violations) }
  }
}

/** Most violations in the message: it must stay readable, and the causes hold more. */
const describedViolations = 10

/** Most causes: more help nobody, and a hostile pod has tens of thousands. */
const causesLength = 100

function statusOf(violations: readonly Violation[]): object {
  const described = violations.slice(0, describedViolations).map(describeViolation)
  const more = violations.length - described.length
  if (more > 0) described.push(`and ${more} more`)
  return {
    status: 'Failure',
    // Never a 5xx: the request was judged, and it is refused.
    code: statusCodeOf(violations[0]),
    reason: 'Forbidden',
    message: described.join('; '),
    details: {
      causes: violations.slice(0, causesLength).map((violation) => ({
        reason: violation.code,
        message: describeViolation(violation),
        field: shownPath(violation.path),
      })),
    },
  }
}

/** `btoa` takes a quarter of Buffer's time, but only text of one byte a character is the same in UTF-8. */
function base64(json: string): string {
  return Buffer.byteLength(json) === json.length ? btoa(json) : Buffer.from(json).toString('base64')
}

function statusCodeOf(violation: Violation | undefined): number {
  const status = violation ? errorCatalogue[violation.code].status : 403
  return status < 500 ? status : 403
}

import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { agentsNamespaceLabel, ownedPrefix } from '../../domain/names.ts'
import { Metadata } from '../pod/pod.ts'
import { shown, type Violation } from '../pod/violation.ts'
import { isOwner, ownersInWords } from '../policy/owners.ts'
import type { PolicyDocument } from '../policy/policy-document.ts'
import type { PolicyInForce } from '../policy/policy-in-force.ts'
import type { AdmissionRequest, Answer } from './admission-review.ts'

const Namespace = Type.Object({ metadata: Type.Optional(Metadata) })
type Namespace = Static<typeof Namespace>
const validator = Compile(Namespace)

const allowed: Answer = { kind: 'allowed' }

/** The value that puts a namespace under the policy. */
const enabled = 'enabled'

/**
 * POST /validate-namespace. Only the owners that the policy names may take a namespace out of the policy, or change its
 * `greenroom.dev/*` labels. Everybody may put a namespace under the policy, or delete it. Subresources (`status`,
 * `finalize`) can write labels as well and are judged alike.
 */
export function namespaceReview(request: AdmissionRequest, { policy }: PolicyInForce): Answer {
  const { resource, operation, userInfo, object, oldObject } = request
  if (resource.group !== '' || resource.resource !== 'namespaces' || operation !== 'UPDATE') return allowed
  const before = labelsOf(oldObject)
  if (before[agentsNamespaceLabel] === undefined || isOwner(userInfo, policy.namespaceOwners)) return allowed
  const after = labelsOf(object)
  const violations = ownedKeys(before, after)
    .filter((key) => before[key] !== after[key])
    .filter((key) => !(key === agentsNamespaceLabel && after[key] === enabled))
    .map((key) => foreign(key, after[key], policy))
  return violations.length > 0 ? { kind: 'denied', violations } : allowed
}

type Labels = Readonly<Record<string, string>>

/** An object that cannot be read counts as one without labels. */
function labelsOf(object: unknown): Labels {
  return validator.Check(object) ? ((object as Namespace).metadata?.labels ?? {}) : {}
}

function ownedKeys(before: Labels, after: Labels): string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((key) =>
    key.startsWith(ownedPrefix),
  )
}

function foreign(
  key: string,
  value: string | undefined,
  { namespaceOwners, version }: PolicyDocument,
): Violation {
  return {
    rule: 'namespace-ownership',
    code: 'GRN_NAMESPACE_OWNERSHIP',
    path: `metadata.labels[${key}]`,
    found: value === undefined ? 'removed' : `changed to ${shown(value)}`,
    allowed: `changes by ${ownersInWords(namespaceOwners)} (policy version ${version})`,
    fix: 'Ask one of them, or name yourself in namespaceOwners of policy.yaml; docs/break-glass.md has the way out.',
  }
}

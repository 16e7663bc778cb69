import { label } from '../../domain/names.ts'
import { type Change, changesOf } from '../mutate/pod-changes.ts'
import { isJsonObject } from '../pod/json-object.ts'
import { shown, type Violation } from '../pod/violation.ts'
import type { PodClass } from '../policy/pod-class.ts'
import type { PolicyInForce } from '../policy/policy-in-force.ts'
import { defaultRowName } from '../policy/policy-row.ts'
import type { AdmissionRequest } from '../review/admission-review.ts'
import { reviewCreation } from '../review/pod-review.ts'

/** What the policy makes of a pod, field by field. */
export interface Explanation {
  readonly policyVersion: string
  readonly namespace: string
  /** Row of the policy; `component` for Greenroom's own parts. What the label says, if there is no such row. */
  readonly agentType: string
  readonly decision: 'allowed' | 'changed' | 'denied'
  /** What the webhook would change, also in a pod that is denied all the same, or where the policy is only tried out. */
  readonly changes: readonly Change[]
  /** With a mode: they did not deny. */
  readonly violations: readonly Violation[]
}

export interface ExplainOptions {
  readonly namespace: string
  readonly inForce: PolicyInForce
  /** Who would create it, for the ownership of labels; undefined: not judged, as for a pod that is there already. */
  readonly username?: string | undefined
}

/** Judges the pod as if it were created now, by the same function that answers the API server. Any value is taken. */
export function explainPod(given: unknown, options: ExplainOptions): Explanation {
  const { namespace, inForce, username } = options
  const object = username === undefined ? asCreated(given) : given
  const { answer, context, outcome } = reviewCreation(creationOf(object, options), inForce)
  const changes = context && outcome ? changesOf(context.pod, outcome.patch, outcome.rules) : []
  const denying = answer.kind === 'denied' ? answer.violations : []
  return {
    policyVersion: inForce.policy.version,
    namespace,
    agentType: context ? agentTypeOf(context.podClass) : 'unknown',
    decision: answer.kind === 'patched' ? (changes.length > 0 ? 'changed' : 'allowed') : answer.kind,
    changes,
    violations: [...denying, ...(answer.noted ?? [])],
  }
}

/**
 * A pod that is there already, as it was created: Greenroom writes the label `session` when the pod is claimed, and the scheduler
 * the name of its node. At creation neither may be there.
 */
function asCreated(object: unknown): unknown {
  if (!isJsonObject(object)) return object
  const { metadata, spec } = object
  return {
    ...object,
    ...(isJsonObject(metadata) &&
      isJsonObject(metadata.labels) && {
        metadata: { ...metadata, labels: without(metadata.labels, label.session) },
      }),
    ...(isJsonObject(spec) && { spec: without(spec, 'nodeName') }),
  }
}

function without(object: Readonly<Record<string, unknown>>, key: string): Record<string, unknown> {
  const { [key]: _left, ...others } = object
  return others
}

function creationOf(object: unknown, { namespace, inForce, username }: ExplainOptions): AdmissionRequest {
  return {
    uid: 'explained',
    resource: { group: '', version: 'v1', resource: 'pods' },
    namespace,
    operation: 'CREATE',
    userInfo: { username: username ?? inForce.policy.greenroomServiceAccounts[0] ?? '' },
    object,
  }
}

function agentTypeOf(podClass: PodClass): string {
  switch (podClass.kind) {
    case 'component':
      return 'component'
    case 'plain':
      return defaultRowName
    case 'agent':
      return podClass.agentType
    case 'unknown-type':
      return shown(podClass.agentType)
  }
}

import type { Pod } from '../pod/pod.ts'
import type { Violation } from '../pod/violation.ts'
import { withMode } from '../policy/modes.ts'
import { isShaped } from '../policy/pod-class.ts'
import { restrictedViolations } from '../standards/pod-security-standards.ts'
import type { AdmissionContext } from './expected-fields.ts'
import type { GreenroomCheck } from './greenroom-rule.ts'
import { agentType, componentShape } from './greenroom-rules.ts'
import { type Check, type JudgedPod, judgedPod } from './judged-pod.ts'
import { managedChecks } from './managed-checks.ts'
import { shapedChecks } from './shaped-checks.ts'

/**
 * Everything in the pod that the policy does not allow, the most telling first; empty if it passes. Of several
 * violations at one field, or a part of it, only the first is kept. Those with a `mode` do not deny. Ownership of labels
 * is judged apart, for it depends on the caller.
 */
export function validatePod(pod: Pod, namespace: string, context: AdmissionContext): Violation[] {
  const judged = judgedPod(pod, namespace, context)
  const kept: Violation[] = []
  for (const check of checksFor(judged)) {
    for (const found of check(judged)) {
      const violation = withMode(found, context.policy)
      if (!kept.some((other) => isSaidBy(other, violation))) kept.push(violation)
    }
  }
  return kept
}

/** The same field or a part of it. What only warns never stands in the place of what denies. */
function isSaidBy(other: Violation, { path, mode }: Violation): boolean {
  if (other.mode !== undefined && other.mode !== mode) return false
  return other.path === path || other.path.startsWith(`${path}.`)
}

/** Components have a shape of their own, and pods of an unknown type no row to compare with. */
function checksFor(judged: JudgedPod): readonly Check[] {
  const { standing, pod } = judged
  if (standing.kind === 'component') return componentChecks
  if (standing.kind === 'unknown-type') return unknownTypeChecks
  return isShaped(standing, pod) ? shapedPodChecks : managedPodChecks
}

/** Pod Security Standard `restricted`, which holds `baseline`: for every pod, components too. */
const checkRestricted: Check = (judged) =>
  restrictedViolations(judged, judged.context.policy.defaults.podSecurity.version)

const judges = (checks: readonly GreenroomCheck[]): Check[] => checks.map(({ judge }) => judge)

const componentChecks = [componentShape.judge, checkRestricted]
const unknownTypeChecks = [
  agentType.judge,
  checkRestricted,
  ...judges(managedChecks.filter(({ rule }) => rule === 'service-account' || rule === 'pool-credentials')),
]
const managedPodChecks = [checkRestricted, ...judges(managedChecks)]
const shapedPodChecks = [...managedPodChecks, ...judges(shapedChecks)]

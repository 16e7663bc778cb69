import { checkAgentType } from './checks/agent-type.ts'
import type { AdmissionContext } from './expectations.ts'
import { greenroomChecks } from './greenroom-checks.ts'
import { type JudgedPod, judgedPod } from './judged-pod.ts'
import type { Pod } from './pod.ts'
import { restrictedViolations } from './pod-security-standards.ts'
import type { Violation } from './violation.ts'

/**
 * Everything in the pod that the policy does not allow, the most telling first; empty if it passes. Of several
 * violations at one field, or a part of it, only the first is kept. Ownership of labels is judged apart, for it depends on the caller.
 */
export function validatePod(pod: Pod, namespace: string, context: AdmissionContext): Violation[] {
  const judged = judgedPod(pod, namespace, context)
  const found = [
    ...checkAgentType(judged),
    // For every pod, components too.
    ...restrictedViolations(judged, context.policy.defaults.podSecurity.version),
    ...(isManaged(judged) ? greenroomChecks.flatMap(({ judge }) => judge(judged)) : []),
  ]
  const kept: Violation[] = []
  for (const violation of found) {
    if (!kept.some(({ path }) => path === violation.path || path.startsWith(`${violation.path}.`))) {
      kept.push(violation)
    }
  }
  return kept
}

/** Components and pods of an unknown type have no row to compare with. */
function isManaged({ standing }: JudgedPod): boolean {
  return standing.kind === 'agent' || standing.kind === 'plain'
}

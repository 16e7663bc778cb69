import { mutatePod } from '../../src/admission/mutate/mutate-pod.ts'
import type { Pod } from '../../src/admission/pod/pod.ts'
import type { Violation } from '../../src/admission/pod/violation.ts'
import { classOf } from '../../src/admission/policy/pod-class.ts'
import type { PolicyInForce } from '../../src/admission/policy/policy-in-force.ts'
import { podContext } from '../../src/admission/review/review-context.ts'
import type { AdmissionContext } from '../../src/admission/rules/admission-context.ts'
import { kindOf } from '../../src/admission/rules/greenroom-rule.ts'
import { judgePod } from '../../src/admission/rules/judge-pod.ts'
import { greenroomUser, inForce, reviewOf } from './pod-samples.ts'

/** Steps of the review of a new pod, one by one. Greenroom itself creates it, so ownership of labels is not judged. */

export function creationOf(pod: Pod, given: PolicyInForce = inForce): AdmissionContext {
  const decoded = podContext(reviewOf(pod, { userInfo: { username: greenroomUser } }), given)
  if (!decoded.ok) throw new Error(decoded.problems.join('\n'))
  return decoded.value
}

export function mutated(pod: Pod, given: PolicyInForce = inForce): Pod {
  return mutatePod(creationOf(pod, given)).pod
}

export function violationsIn(pod: Pod, given: PolicyInForce = inForce): Violation[] {
  return judgePod(creationOf(pod, given))
}

export function isShaped(pod: Pod, { policy }: PolicyInForce = inForce): boolean {
  return kindOf(classOf(pod, policy)) === 'shaped'
}

import type { CheckDescription } from '../standards/check-description.ts'
import type { Check } from './judged-pod.ts'

/** A rule that Greenroom has besides the Pod Security Standards. Which of them a policy may loosen: `settableRules`. */
export interface GreenroomRule extends CheckDescription {
  /** What the fields may hold, in words; the exact values are the policy's. */
  readonly allowed: string
}

export interface GreenroomCheck extends GreenroomRule {
  readonly judge: Check
}

import type { AdmissionContext } from './admission-context.ts'
import { foreignTolerations } from './allowed-tolerations.ts'
import type { Finding } from './greenroom-rule.ts'
import { boundByAuthor } from './node-name.ts'
import { systemClass } from './system-priority.ts'

/**
 * Where a component runs and what it pushes aside. Its row says nothing of that, so the policy's defaults are the bounds: who
 * may create pods could otherwise put one on a control plane, or in the place of others.
 */
export function placementFindings(context: AdmissionContext): Finding[] {
  const { pod, policy } = context
  const { tolerations, allowedTolerations, priorityClassName } = policy.defaults
  const ofDefaults = [
    ...systemClass(pod, priorityClassName),
    ...foreignTolerations(pod, [...tolerations, ...allowedTolerations]),
  ]
  return [
    ...boundByAuthor(context),
    ...ofDefaults.map((found) => ({ ...found, fix: "Leave it out, or name it in the policy's defaults." })),
  ]
}

import type { AdmissionContext } from './expectations.ts'
import { containersOf, type PlacedContainer, type Pod } from './pod.ts'
import { agentContainerOf, type Standing, standingOf } from './standing.ts'
import type { Violation } from './violation.ts'

/** A pod with everything the checks need to know about it, worked out once. */
export interface JudgedPod {
  readonly pod: Pod
  readonly namespace: string
  readonly context: AdmissionContext
  readonly standing: Standing
  readonly containers: readonly PlacedContainer[]
  readonly agentContainer: PlacedContainer | undefined
}

/** Pure; an empty list means that the pod passes. */
export type Check = (judged: JudgedPod) => Violation[]

export function judgedPod(pod: Pod, namespace: string, context: AdmissionContext): JudgedPod {
  const containers = containersOf(pod)
  const agent = agentContainerOf(pod)
  return {
    pod,
    namespace,
    context,
    standing: standingOf(pod, context.policy),
    containers,
    agentContainer: containers.find(({ container }) => container === agent),
  }
}

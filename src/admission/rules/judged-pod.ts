import { containersOf, type PlacedContainer, type Pod } from '../pod/pod.ts'
import type { Violation } from '../pod/violation.ts'
import type { RowInForce } from '../policy/effective-row.ts'
import { agentContainerOf, type Standing, standingOf } from '../policy/pod-class.ts'
import type { AdmissionContext } from './expected-fields.ts'

/** A pod with everything the checks need to know about it, worked out once. */
export interface JudgedPod {
  readonly pod: Pod
  readonly namespace: string
  readonly context: AdmissionContext
  readonly standing: Standing
  /** Of an agent or a plain pod; absent where there is nothing to compare with. */
  readonly row: RowInForce | undefined
  readonly containers: readonly PlacedContainer[]
  readonly agentContainer: PlacedContainer | undefined
}

/** Pure; an empty list means that the pod passes. */
export type Check = (judged: JudgedPod) => Violation[]

export function judgedPod(pod: Pod, namespace: string, context: AdmissionContext): JudgedPod {
  const containers = containersOf(pod)
  const agent = agentContainerOf(pod)
  const standing = standingOf(pod, context.policy)
  return {
    pod,
    namespace,
    context,
    standing,
    row: standing.kind === 'agent' || standing.kind === 'plain' ? standing.row : undefined,
    containers,
    agentContainer: containers.find(({ container }) => container === agent),
  }
}

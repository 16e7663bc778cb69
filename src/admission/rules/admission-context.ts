import { containersOf, type Metadata, type PlacedContainer, type Pod } from '../pod/pod.ts'
import type { EffectiveRow } from '../policy/effective-row.ts'
import { agentContainerOf, classOf, type PodClass } from '../policy/pod-class.ts'
import type { PolicyInForce } from '../policy/policy-in-force.ts'

/** Who changes the metadata of an object, and how. The object may be a Binding, which is no pod. */
export interface MetadataChange extends PolicyInForce {
  /** User name of the caller. */
  readonly username: string
  /** True at creation: admission may still write over what stands there. */
  readonly isNew: boolean
  /** The metadata that is judged: as it was sent, or as the mutating webhook has made it. */
  readonly metadata: Metadata
  /** The metadata that the object had before; undefined at creation. */
  readonly before: Metadata | undefined
  /** The policy is only tried out in this namespace: nothing is changed or denied. */
  readonly isRolledOut: boolean
}

/** A pod under review with all that rules need to know. It is built once per review and only read. */
export interface AdmissionContext extends MetadataChange {
  readonly namespace: string
  readonly pod: Pod
  /** The pod before an update, if it can be read. */
  readonly oldPod: Pod | undefined
  readonly podClass: PodClass
  /** The row of the class; undefined for components and unknown types. */
  readonly row: EffectiveRow | undefined
  readonly containers: readonly PlacedContainer[]
  readonly agentContainer: PlacedContainer | undefined
}

export type Circumstances = Omit<
  AdmissionContext,
  'pod' | 'podClass' | 'row' | 'containers' | 'agentContainer'
>

/** Classifies the pod. */
export function admissionContext(pod: Pod, circumstances: Circumstances): AdmissionContext {
  const podClass = classOf(pod, circumstances.policy)
  const row = 'row' in podClass ? podClass.row : undefined
  return { ...circumstances, podClass, row, ...partsOf(pod) }
}

/** The same review of the pod as it is after mutation, which cannot change the class; and of its metadata, if given. */
export function withPod(
  context: AdmissionContext,
  pod: Pod,
  metadata: Metadata = context.metadata,
): AdmissionContext {
  return pod === context.pod && metadata === context.metadata
    ? context
    : { ...context, ...partsOf(pod), metadata }
}

/** The review of the pod as it was before, which changes nothing; undefined if there was none that can be read. */
export function ofOldPod(context: AdmissionContext): AdmissionContext | undefined {
  const { oldPod } = context
  if (!oldPod) return undefined
  return admissionContext(oldPod, { ...context, metadata: oldPod.metadata ?? {}, before: oldPod.metadata })
}

function partsOf(pod: Pod): Pick<AdmissionContext, 'pod' | 'containers' | 'agentContainer'> {
  const containers = containersOf(pod)
  const agent = agentContainerOf(pod)
  return { pod, containers, agentContainer: containers.find(({ container }) => container === agent) }
}

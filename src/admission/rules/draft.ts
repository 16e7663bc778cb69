import type { Container, ContainerKind, Metadata, PodSpec, SecurityContext } from '../pod/pod.ts'
import { sameValue } from '../pod/same-value.ts'
import type { AdmissionContext } from './admission-context.ts'

/**
 * A pod while rules change it. The spec, its containers and their securityContexts are shallow copies whose fields rules
 * assign. Everything deeper is shared with the given pod: a rule replaces such a value and never changes it in place.
 * What stays shared costs nothing when the patch is made.
 */
export interface Draft {
  readonly metadata: Metadata
  readonly spec: PodSpec
  /** The securityContext of the pod. */
  readonly security: SecurityContext
  /** Containers and init containers; of a running pod only its new debug containers. */
  readonly containers: readonly DraftContainer[]
  /** True once a value has become another. */
  changed: boolean
  /** Assigns the fields that differ. */
  assign: <T extends object>(target: T, values: Partial<T>) => void
  remove: <T extends object>(target: T, field: keyof T) => void
  /** Writes one annotation, over whatever stands there. */
  annotate: (key: string, value: string) => void
}

export interface DraftContainer {
  readonly container: Container
  readonly security: SecurityContext
  readonly kind: ContainerKind
  readonly isAgent: boolean
}

/** For a new pod. */
export function draftOf({ pod, agentContainer }: AdmissionContext): Draft {
  const { containers, initContainers, securityContext } = pod.spec
  const isAgent = (container: Container): boolean => container === agentContainer?.container
  const main = containers.map((container) => draftContainer(container, 'main', isAgent(container)))
  const init = (initContainers ?? []).map((container) => draftContainer(container, 'init', false))
  const security = { ...securityContext }
  const spec = {
    ...pod.spec,
    containers: main.map(({ container }) => container),
    ...(initContainers && { initContainers: init.map(({ container }) => container) }),
    securityContext: security,
  }
  return { metadata: { ...pod.metadata }, spec, security, containers: [...main, ...init], ...writing }
}

/** For a running pod: only its debug containers that were not there before can still be changed. */
export function debugDraftOf({ pod, oldPod }: AdmissionContext): Draft {
  const { ephemeralContainers = [], securityContext = {} } = pod.spec
  const older = new Set(oldPod?.spec.ephemeralContainers?.map(({ name }) => name))
  const containers: DraftContainer[] = []
  const ephemeral = ephemeralContainers.map((container) => {
    if (older.has(container.name)) return container
    const draft = draftContainer(container, 'ephemeral', false)
    containers.push(draft)
    return draft.container
  })
  const spec = { ...pod.spec, ephemeralContainers: ephemeral }
  return { metadata: pod.metadata ?? {}, spec, security: securityContext, containers, ...writing }
}

function draftContainer(given: Container, kind: ContainerKind, isAgent: boolean): DraftContainer {
  const security = { ...given.securityContext }
  return { container: { ...given, securityContext: security }, security, kind, isAgent }
}

const writing: Pick<Draft, 'changed' | 'assign' | 'remove' | 'annotate'> & ThisType<Draft> = {
  changed: false,
  assign(target, values) {
    for (const field in values) {
      const value = values[field]
      if (value === undefined || sameValue(target[field], value)) continue
      target[field] = value
      this.changed = true
    }
  },
  remove(target, field) {
    if (target[field] === undefined) return
    delete target[field]
    this.changed = true
  },
  annotate(key, value) {
    const { annotations } = this.metadata
    if (annotations !== undefined && Object.hasOwn(annotations, key) && annotations[key] === value) return
    this.metadata.annotations = { ...annotations, [key]: value }
    this.changed = true
  },
}

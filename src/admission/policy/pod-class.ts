import { agentContainerName, label } from '../../domain/names.ts'
import { imageMatches } from '../pod/image-reference.ts'
import { type Container, containersOf, type Pod } from '../pod/pod.ts'
import { type EffectiveRow, effectiveRow } from './effective-row.ts'
import type { Component } from './policy-component.ts'
import type { PolicyDocument } from './policy-document.ts'
import { defaultRowName } from './policy-row.ts'

/** What a pod is to the policy. */
export type PodClass =
  /** One of Greenroom's own parts: checked against restricted and its own shape, not turned into an agent. */
  | { readonly kind: 'component'; readonly component: Component }
  | ClassWithRow
  | { readonly kind: 'unknown-type'; readonly agentType: string | undefined }

/** A pod of a known agent type, or one without a type: it falls under row `default`. */
export type ClassWithRow = {
  readonly row: EffectiveRow
  /** The webhook makes the pod what its row says. False on Windows: the API refuses Linux fields there. */
  readonly isShaped: boolean
} & ({ readonly kind: 'agent'; readonly agentType: string } | { readonly kind: 'plain' })

export function classOf(pod: Pod, policy: PolicyDocument): PodClass {
  const component = policy.components.find((candidate) => isPodOf(candidate, pod))
  if (component) return { kind: 'component', component }
  const agentType = pod.metadata?.labels?.[label.agentType]
  const name = agentType ?? defaultRowName
  const row = effectiveRow(name, policy)
  if (!row) return { kind: 'unknown-type', agentType }
  const isShaped = (pod.spec.os?.name ?? 'linux') === 'linux'
  return name === defaultRowName
    ? { kind: 'plain', row, isShaped }
    : { kind: 'agent', agentType: name, row, isShaped }
}

/** The ServiceAccount and every image must fit; debug (ephemeral) containers count as well. */
function isPodOf(component: Component, pod: Pod): boolean {
  return (
    pod.spec.serviceAccountName === component.serviceAccount &&
    containersOf(pod).every(({ container }) =>
      component.images.some((image) => imageMatches(container.image ?? '', image)),
    )
  )
}

/** The agent container: the one named `agent`, else the only one. */
export function agentContainerOf(pod: Pod): Container | undefined {
  const { containers } = pod.spec
  return (
    containers.find((container) => container.name === agentContainerName) ??
    (containers.length === 1 ? containers[0] : undefined)
  )
}

import { agentContainerName, label } from '../../domain/names.ts'
import { imageMatches } from '../pod/image-reference.ts'
import { type Container, containersOf, type Pod } from '../pod/pod.ts'
import { type EffectiveRow, effectiveRow } from './effective-row.ts'
import { isShapedAgent, shapedTypeOf } from './own-pod-env.ts'
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
  const agentType = pod.metadata?.labels?.[label.agentType] ?? copiedTypeOf(pod)
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

/** `kubectl debug --copy-to` leaves out the labels. What the webhook injected into the original says its type. */
function copiedTypeOf(pod: Pod): string | undefined {
  const agent = agentContainerOf(pod)
  return agent && isShapedAgent(agent) ? shapedTypeOf(agent) : undefined
}

/**
 * The agent container: the one named `agent`, else the only one, else the only one that the webhook has shaped as an agent.
 * The last holds for a copy, or for a pod that another webhook gave a container after us.
 */
export function agentContainerOf(pod: Pod): Container | undefined {
  const { containers } = pod.spec
  const named = containers.find((container) => container.name === agentContainerName)
  if (named) return named
  const candidates = containers.length === 1 ? containers : containers.filter(isShapedAgent)
  return candidates.length === 1 ? candidates[0] : undefined
}

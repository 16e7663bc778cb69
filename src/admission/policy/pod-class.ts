import { agentContainerName, label } from '../../domain/names.ts'
import { type Container, containersOf, type Pod } from '../pod/pod.ts'
import { type RowInForce, rowInForce } from './effective-row.ts'
import type { Component } from './policy-component.ts'
import type { PolicyDocument } from './policy-document.ts'
import { defaultRowName } from './policy-row.ts'

/** What a pod is in the eyes of the policy. */
export type Standing =
  /** One of Greenroom's own parts: checked against restricted and its own shape, not turned into an agent. */
  | { readonly kind: 'component'; readonly component: Component }
  /** A pod of a known agent type. */
  | { readonly kind: 'agent'; readonly agentType: string; readonly row: RowInForce }
  /** No agent type: row `default`. */
  | { readonly kind: 'plain'; readonly row: RowInForce }
  | { readonly kind: 'unknown-type'; readonly agentType: string | undefined }

/** A pod that a row of the table shapes. */
export type Managed = Extract<Standing, { kind: 'agent' | 'plain' }>

export function standingOf(pod: Pod, policy: PolicyDocument): Standing {
  const component = policy.components.find((candidate) => isPodOf(candidate, pod))
  if (component) return { kind: 'component', component }
  const agentType = pod.metadata?.labels?.[label.agentType]
  const name = agentType ?? defaultRowName
  const row = rowInForce(name, policy)
  if (!row) return { kind: 'unknown-type', agentType }
  return name === defaultRowName ? { kind: 'plain', row } : { kind: 'agent', agentType: name, row }
}

/** Managed, and on the system that rows speak of: the API refuses a Linux field on a Windows pod. */
export function isShaped(standing: Standing, pod: Pod): standing is Managed {
  return (standing.kind === 'agent' || standing.kind === 'plain') && isLinux(pod)
}

function isLinux({ spec }: Pod): boolean {
  return (spec.os?.name ?? 'linux') === 'linux'
}

/** The ServiceAccount and every image must fit; debug (ephemeral) containers count as well. */
function isPodOf(component: Component, pod: Pod): boolean {
  return (
    pod.spec.serviceAccountName === component.serviceAccount &&
    containersOf(pod).every(({ container }) =>
      component.images.some((image) => imageFits(container.image ?? '', image)),
    )
  )
}

function imageFits(image: string, allowed: string): boolean {
  return allowed.endsWith('*') ? image.startsWith(allowed.slice(0, -1)) : image === allowed
}

/** The agent container: the one named `agent`, else the only one. */
export function agentContainerOf(pod: Pod): Container | undefined {
  const { containers } = pod.spec
  return (
    containers.find((container) => container.name === agentContainerName) ??
    (containers.length === 1 ? containers[0] : undefined)
  )
}

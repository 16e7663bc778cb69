import { agentContainerName, label } from '../domain/names.ts'
import { type Container, containersOf, type Pod } from './pod.ts'
import { type Component, defaultRowName, type PolicyDocument, type Resources, type Row } from './policy.ts'

/** A row with the document's defaults filled in: what is in force for one pod. */
export interface RowInForce {
  readonly resources: Resources
  readonly sidecar: Resources
  readonly probes: NonNullable<Row['probes']>
  readonly env: Row['env']
  readonly secrets: Row['secrets']
  readonly allowedSecrets: Row['allowedSecrets']
  /** Undefined: the pod's `app` label is its own business. */
  readonly appLabel: string | undefined
  readonly gracePeriodSeconds: number
}

/** What a pod is in the eyes of the policy. */
export type Standing =
  /** One of Greenroom's own parts: checked against restricted, not turned into an agent. */
  | { readonly kind: 'component' }
  /** A pod of a known agent type. */
  | { readonly kind: 'agent'; readonly agentType: string; readonly row: RowInForce }
  /** No agent type: row `default`. */
  | { readonly kind: 'plain'; readonly row: RowInForce }
  | { readonly kind: 'unknown-type'; readonly agentType: string | undefined }

export function standingOf(pod: Pod, policy: PolicyDocument): Standing {
  const component = policy.components.find((candidate) => isPodOf(candidate, pod))
  if (component) return { kind: 'component' }
  const agentType = pod.metadata?.labels?.[label.agentType]
  const name = agentType ?? defaultRowName
  // hasOwn: a label "constructor" must not find something on the prototype.
  const row = Object.hasOwn(policy.agentTypes, name) ? policy.agentTypes[name] : undefined
  if (!row) return { kind: 'unknown-type', agentType }
  const inForce = rowInForce(row, policy, name)
  if (name === defaultRowName) return { kind: 'plain', row: inForce }
  return { kind: 'agent', agentType: name, row: inForce }
}

function rowInForce(row: Row, { defaults }: PolicyDocument, name: string): RowInForce {
  return {
    resources: row.resources,
    sidecar: row.sidecar ?? defaults.sidecar,
    probes: row.probes ?? {},
    env: row.env,
    secrets: row.secrets,
    allowedSecrets: row.allowedSecrets,
    appLabel: row.appLabel ?? (name === defaultRowName ? undefined : defaults.appLabel),
    gracePeriodSeconds: row.gracePeriodSeconds ?? defaults.gracePeriodSeconds,
  }
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

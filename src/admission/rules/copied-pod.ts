import { agentEnv, annotation, label, ownedPrefix } from '../../domain/names.ts'
import type { EnvVar, Pod } from '../pod/pod.ts'
import { sameValue } from '../pod/same-value.ts'
import { effectiveRow } from '../policy/effective-row.ts'
import { isShapedAgent } from '../policy/own-pod-env.ts'
import type { PolicyDocument } from '../policy/policy-document.ts'
import type { AdmissionContext } from './admission-context.ts'
import { agentContainer as agentPath } from './field-path.ts'
import { type GreenroomRule, shapedPods } from './greenroom-rule.ts'
import { writtenAnnotations } from './written-annotations.ts'

/**
 * A copy of an agent pod, as `kubectl debug --copy-to` makes it, carries what the webhook injected into the original. It is
 * a pod of the same type, without the labels and annotations by which Greenroom knows the original. One of no type is a
 * plain pod, without what was injected.
 */
export const copiedPod: GreenroomRule = {
  rule: 'copied-pod',
  title: 'Copies of agent pods',
  fields: [
    `metadata.labels[${label.agentType}]`,
    `metadata.{labels,annotations}[${ownedPrefix}*]`,
    `metadata.labels[${label.session}]`,
    `${agentPath}.env[*]`,
  ],
  allowed:
    "a new pod with the webhook's own `GREENROOM_*` variables is of the agent type that they name, or a plain pod without these and the row's `secrets`; the labels and annotations that belong to Greenroom are left out",
  appliesTo: shapedPods,
  mode: 'always',
  mutated: 'yes',
  why: 'What the webhook gave to a pod must not forbid a copy of it; the pool and the session stay with the original.',
  fix: '',
  mutate(draft, context) {
    if (!isCopy(context)) return
    const { podClass, policy } = context
    if (podClass.kind === 'plain') {
      for (const { container, isAgent } of draft.containers)
        if (isAgent) draft.assign(container, { env: withoutInjected(container.env, policy) })
    }
    const { labels, annotations } = draft.metadata
    const type = podClass.kind === 'agent' ? { [label.agentType]: podClass.agentType } : {}
    const written = writtenAnnotations(podClass, context)
    const isLeftOut = (key: string): boolean => isNote(key) && !Object.hasOwn(written, key)
    draft.assign(draft.metadata, {
      ...((labels !== undefined || podClass.kind === 'agent') && {
        labels: { ...type, ...without(labels ?? {}, isGreenrooms) },
      }),
      ...(annotations && { annotations: without(annotations, isLeftOut) }),
    })
  },
}

/** A new pod of somebody else that the webhook has shaped before. A pod with a controller of its own is its template's. */
export function isCopy({ isNew, policy, username, agentContainer, metadata }: AdmissionContext): boolean {
  if (!isNew || policy.greenroomServiceAccounts.includes(username)) return false
  if (metadata.ownerReferences?.some(({ controller }) => controller)) return false
  return agentContainer !== undefined && isShapedAgent(agentContainer.container)
}

/** The copy as a pod of no type: without what the webhook injected. Undefined if it is none, or if its label says the type. */
export function plainCopyOf(context: AdmissionContext): Pod | undefined {
  const { pod, agentContainer, metadata, policy } = context
  if (metadata.labels?.[label.agentType] !== undefined || !isCopy(context)) return undefined
  const containers = pod.spec.containers.map((container) =>
    container === agentContainer?.container
      ? { ...container, env: withoutInjected(container.env, policy) }
      : container,
  )
  const { labels, annotations } = metadata
  return {
    ...pod,
    metadata: {
      ...metadata,
      ...(labels && { labels: without(labels, isGreenrooms) }),
      ...(annotations && { annotations: without(annotations, isNote) }),
    },
    spec: { ...pod.spec, containers },
  }
}

/** Without the secrets of whatever row: a plain copy does not say its type any more. */
function withoutInjected(env: readonly EnvVar[] = [], policy: PolicyDocument): EnvVar[] {
  const own: ReadonlySet<string> = new Set(Object.values(agentEnv))
  const secrets = Map.groupBy(
    Object.keys(policy.agentTypes).flatMap((name) => effectiveRow(name, policy)?.secretEnv ?? []),
    ({ name }) => name,
  )
  const isSecret = (entry: EnvVar): boolean =>
    secrets.get(entry.name)?.some((secret) => sameValue(secret, entry)) ?? false
  return env.filter((entry) => !own.has(entry.name) && !isSecret(entry))
}

/** Everybody may ask for explanations. */
function isNote(key: string): boolean {
  return isOwned(key) && key !== annotation.explain
}

function isGreenrooms(key: string): boolean {
  return key === label.session || isOwned(key)
}

function isOwned(key: string): boolean {
  return key.startsWith(ownedPrefix)
}

type Entries = Readonly<Record<string, string>>

function without(entries: Entries, isLeftOut: (key: string) => boolean): Record<string, string> {
  return Object.fromEntries(Object.entries(entries).filter(([key]) => !isLeftOut(key)))
}

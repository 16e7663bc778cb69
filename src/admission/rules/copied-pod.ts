import { annotation, label, ownedPrefix } from '../../domain/names.ts'
import { isShapedAgent } from '../policy/own-pod-env.ts'
import type { AdmissionContext } from './admission-context.ts'
import { type GreenroomRule, shapedPods } from './greenroom-rule.ts'
import { writtenAnnotations } from './written-annotations.ts'

/**
 * A copy of an agent pod, as `kubectl debug --copy-to` makes it, carries what the webhook injected into the original. It is
 * a pod of the same type, without the labels and annotations by which Greenroom knows the original.
 */
export const copiedPod: GreenroomRule = {
  rule: 'copied-pod',
  title: 'Copies of agent pods',
  fields: [
    `metadata.labels[${label.agentType}]`,
    `metadata.{labels,annotations}[${ownedPrefix}*]`,
    `metadata.labels[${label.session}]`,
  ],
  allowed:
    "a new pod with the webhook's own `GREENROOM_*` variables is of the agent type that they name; the labels and annotations that belong to Greenroom are left out",
  appliesTo: shapedPods,
  mode: 'always',
  mutated: 'yes',
  why: 'What the webhook gave to a pod must not forbid a copy of it; the pool and the session stay with the original.',
  fix: '',
  mutate(draft, context) {
    if (!isCopy(context)) return
    const { podClass } = context
    const { labels, annotations } = draft.metadata
    const type = podClass.kind === 'agent' ? { [label.agentType]: podClass.agentType } : {}
    const written = writtenAnnotations(podClass, context)
    const isLeftOut = (key: string): boolean =>
      isOwned(key) && key !== annotation.explain && !Object.hasOwn(written, key)
    draft.assign(draft.metadata, {
      labels: { ...type, ...without(labels ?? {}, (key) => key === label.session || isOwned(key)) },
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

function isOwned(key: string): boolean {
  return key.startsWith(ownedPrefix)
}

type Entries = Readonly<Record<string, string>>

function without(entries: Entries, isLeftOut: (key: string) => boolean): Record<string, string> {
  return Object.fromEntries(Object.entries(entries).filter(([key]) => !isLeftOut(key)))
}

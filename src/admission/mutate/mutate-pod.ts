import type { Pod } from '../pod/pod.ts'
import { isEnforced } from '../policy/modes.ts'
import type { AdmissionContext } from '../rules/admission-context.ts'
import { type Draft, debugDraftOf, draftOf } from '../rules/draft.ts'
import { kindOf, type PodKind } from '../rules/greenroom-rule.ts'
import { greenroomRules } from '../rules/greenroom-rules.ts'

export interface MutatedPod {
  readonly pod: Pod
  /** Names of the rules that changed something. */
  readonly rules: readonly string[]
}

/**
 * The pod as the table wants it: each rule changes a draft of it. The given pod is left alone, and so are pods of an
 * unknown type and Windows pods; Greenroom's components get their name. What no rule decides stays, unknown fields included.
 * What cannot be made right (`privileged`, `hostPath`, a foreign label) stays as well, and the rules refuse it.
 */
export function mutatePod(context: AdmissionContext): MutatedPod {
  const { pod, podClass, policy, isNew } = context
  const kind = kindOf(podClass)
  if (kind === 'component') return nameComponent(context)
  if (kind !== 'shaped') return { pod, rules: [] }
  if (!isNew) return mutateDebugContainers(context)
  const draft = draftOf(context)
  const rules: string[] = []
  for (const { rule, mutate, mutateAnyway } of newPodRules)
    if (isChanged(draft, context, isEnforced(rule, policy) ? mutate : mutateAnyway)) rules.push(rule)
  return { pod: { ...pod, metadata: draft.metadata, spec: draft.spec }, rules }
}

/** The rules for components change metadata alone: their spec is refused where it is not as the policy says. */
function nameComponent(context: AdmissionContext): MutatedPod {
  const { pod, isNew } = context
  if (!isNew) return { pod, rules: [] }
  const draft = draftOf(context)
  const rules = componentRules.flatMap(({ rule, mutate }) =>
    isChanged(draft, context, mutate) ? [rule] : [],
  )
  return { pod: rules.length > 0 ? { ...pod, metadata: draft.metadata } : pod, rules }
}

/** Of a running pod only new debug containers can still be changed, and the API allows little there. */
function mutateDebugContainers(context: AdmissionContext): MutatedPod {
  const { pod, oldPod } = context
  if (!oldPod || !pod.spec.ephemeralContainers) return { pod, rules: [] }
  const draft = debugDraftOf(context)
  const rules = debugRules.flatMap(({ rule, mutateDebug }) =>
    isChanged(draft, context, mutateDebug) ? [rule] : [],
  )
  return { pod: { ...pod, spec: draft.spec }, rules }
}

const changingRules = greenroomRules.filter(({ mutate, mutateAnyway }) => mutate ?? mutateAnyway)
const appliesTo = (kind: PodKind) => changingRules.filter((rule) => rule.appliesTo.includes(kind))
const newPodRules = appliesTo('shaped')
const componentRules = appliesTo('component')
const debugRules = greenroomRules.filter(({ mutateDebug }) => mutateDebug)

type Mutate = (draft: Draft, context: AdmissionContext) => void

function isChanged(draft: Draft, context: AdmissionContext, mutate: Mutate | undefined): boolean {
  draft.changed = false
  mutate?.(draft, context)
  return draft.changed
}

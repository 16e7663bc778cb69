import { agentEnv } from '../../domain/names.ts'
import type { EnvVar } from '../pod/pod.ts'
import { sameValue } from '../pod/same-value.ts'
import { ownPodEnv } from '../policy/own-pod-env.ts'
import type { PodClass } from '../policy/pod-class.ts'
import type { AssignKeys } from '../policy/public-assign-keys.ts'
import { mergedEnv } from './env-order.ts'
import { agentContainer as agentPath } from './field-path.ts'
import { type Finding, type GreenroomRule, shapedPods } from './greenroom-rule.ts'

const ownVariables = `${agentPath}.env[GREENROOM_*]`

export const injectedEnv: GreenroomRule = {
  rule: 'injected-env',
  title: 'Environment that Greenroom decides',
  fields: [ownVariables, `${agentPath}.env[*]`],
  allowed:
    "the `GREENROOM_*` variables and the row's `secrets` are present, each entry of their names is as the webhook sets it, and they stand before what refers to them by `$(NAME)`; other variables are the author's",
  appliesTo: shapedPods,
  mode: 'always',
  mutated: 'yes',
  why: 'The row of the agent type gives it: a secret by reference, or a default for what the pod leaves out.',
  reasons: {
    [ownVariables]:
      'With these the agent knows its pod and checks who gives it work; they are always what Greenroom sets.',
  },
  fix: 'Leave the variable out; the webhook sets it.',
  judge({ agentContainer, podClass, assignKeys }) {
    if (!agentContainer) return []
    const { container, path } = agentContainer
    return forcedEnv(podClass, assignKeys).flatMap((wanted): Finding[] => {
      const found = (container.env ?? []).filter((entry) => entry.name === wanted.name)
      if (found.length > 0 && found.every((entry) => sameValue(entry, wanted))) return []
      // Values are never shown.
      const text = found.length === 0 ? 'missing' : 'something else'
      return [{ path: `${path}.env[${wanted.name}]`, found: text, allowed: 'what the webhook sets' }]
    })
  },
  mutate(draft, { podClass, row, assignKeys }) {
    const forced = forcedEnv(podClass, assignKeys)
    const defaults = row?.env ?? []
    for (const { container, isAgent } of draft.containers) {
      if (!isAgent || (forced.length + defaults.length === 0 && !container.env)) continue
      draft.assign(container, { env: mergedEnv(container.env ?? [], forced, defaults) })
    }
  },
}

/** Environment of the agent container that overwrites what the pod says. References only, never a secret value. */
function forcedEnv(podClass: PodClass, assignKeys: AssignKeys): readonly EnvVar[] {
  if (podClass.kind === 'plain') return podClass.row.secretEnv
  if (podClass.kind !== 'agent') return []
  const { row, agentType } = podClass
  return [{ name: agentEnv.assignKeys, value: assignKeys.text }, ...ownPodEnv(agentType), ...row.secretEnv]
}

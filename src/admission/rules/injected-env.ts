import { agentEnv, label } from '../../domain/names.ts'
import type { EnvVar } from '../pod/pod.ts'
import { sameValue } from '../pod/same-value.ts'
import { ownPodEnv } from '../policy/own-pod-env.ts'
import type { AdmissionContext } from './admission-context.ts'
import { mergedEnv } from './env-order.ts'
import { agentContainer as agentPath } from './field-path.ts'
import { type Finding, type GreenroomRule, shapedPods } from './greenroom-rule.ts'
import { isPoolPod } from './pod-secrets.ts'

const ownVariables = `${agentPath}.env[GREENROOM_*]`

export const injectedEnv: GreenroomRule = {
  rule: 'injected-env',
  title: 'Environment that Greenroom decides',
  fields: [ownVariables, `${agentPath}.env[*]`, `metadata.labels[${label.pool}]`],
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
  judge(context) {
    const { agentContainer } = context
    if (!agentContainer) return []
    const { container, path } = agentContainer
    return forcedEnv(context).flatMap((wanted): Finding[] => {
      const found = (container.env ?? []).filter((entry) => entry.name === wanted.name)
      if (found.length > 0 && found.every((entry) => sameValue(entry, wanted))) return []
      // Values are never shown.
      const text = found.length === 0 ? 'missing' : 'something else'
      return [{ path: `${path}.env[${wanted.name}]`, found: text, allowed: 'what the webhook sets' }]
    })
  },
  mutate(draft, context) {
    const forced = forcedEnv(context)
    const defaults = context.row?.env ?? []
    for (const { container, isAgent } of draft.containers) {
      if (!isAgent || (forced.length + defaults.length === 0 && !container.env)) continue
      draft.assign(container, { env: mergedEnv(container.env ?? [], forced, defaults) })
    }
  },
}

/** Environment of the agent container that overwrites what the pod says. References only, never a secret value. */
function forcedEnv(context: AdmissionContext): readonly EnvVar[] {
  const { podClass, row, assignKeys } = context
  if (!row) return []
  const secrets = row.secretsFor === 'everyone' || isPoolPod(context) ? row.secretEnv : []
  if (podClass.kind !== 'agent') return secrets
  return [{ name: agentEnv.assignKeys, value: assignKeys.text }, ...ownPodEnv(podClass.agentType), ...secrets]
}

import { agentEnv, label } from '../../domain/names.ts'
import type { EnvVar } from '../pod/pod.ts'
import { sameValue } from '../pod/same-value.ts'
import { oncePer } from '../policy/once-per.ts'
import type { AssignKeys } from '../policy/public-assign-keys.ts'
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
    const found: Finding[] = []
    for (const wanted of forcedEnv(context)) {
      const state = stateOf(wanted, container.env)
      // Values are never shown.
      if (state !== 'as set')
        found.push({ path: `${path}.env[${wanted.name}]`, found: state, allowed: 'what the webhook sets' })
    }
    return found
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

/** Of all entries of the name. */
function stateOf(wanted: EnvVar, env: readonly EnvVar[] = []): 'as set' | 'missing' | 'something else' {
  let isThere = false
  for (const entry of env) {
    if (entry.name !== wanted.name) continue
    if (!sameValue(entry, wanted)) return 'something else'
    isThere = true
  }
  return isThere ? 'as set' : 'missing'
}

/** Environment of the agent container that overwrites what the pod says. References only, never a secret value. */
function forcedEnv(context: AdmissionContext): readonly EnvVar[] {
  const { podClass, row, assignKeys } = context
  if (!row) return []
  const secrets = row.secretsFor === 'everyone' || isPoolPod(context) ? row.secretEnv : []
  if (podClass.kind !== 'agent') return secrets
  return [assignKeysEnv(assignKeys), ...row.ownEnv, ...secrets]
}

/** The same object for the same keys, so that a comparison finds it at once. */
const assignKeysEnv = oncePer(({ text }: AssignKeys): EnvVar => ({ name: agentEnv.assignKeys, value: text }))

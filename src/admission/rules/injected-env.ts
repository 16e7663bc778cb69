import { agentEnv, label } from '../../domain/names.ts'
import type { EnvVar } from '../pod/pod.ts'
import { sameValue } from '../pod/same-value.ts'
import type { AdmissionContext } from './admission-context.ts'
import { agentContainer as agentPath } from './field-path.ts'
import { type Finding, type GreenroomRule, shapedPods } from './greenroom-rule.ts'
import { isPoolPod } from './pod-secrets.ts'

const ownVariables = `${agentPath}.env[GREENROOM_*]`

export const injectedEnv: GreenroomRule = {
  rule: 'injected-env',
  title: 'Environment that Greenroom decides',
  fields: [ownVariables, `${agentPath}.env[*]`, `metadata.labels[${label.pool}]`],
  allowed:
    "the `GREENROOM_*` variables and the row's `secrets` are present, and each entry of their names is as the webhook sets it; other variables are the author's",
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
    const added = [...forced, ...(context.row?.env ?? [])]
    for (const { container, isAgent } of draft.containers) {
      if (!isAgent || (added.length === 0 && !container.env)) continue
      draft.assign(container, { env: merged(container.env ?? [], forced, added) })
    }
  },
}

/** Environment of the agent container that overwrites what the pod says. References only, never a secret value. */
function forcedEnv(context: AdmissionContext): readonly EnvVar[] {
  const { podClass, row, assignKeys } = context
  if (!row) return []
  const secrets = row.secretsFor === 'everyone' || isPoolPod(context) ? row.secretEnv : []
  if (podClass.kind !== 'agent') return secrets
  return [{ name: agentEnv.assignKeys, value: assignKeys.text }, ...podFields, ...secrets]
}

/** What the agent is told of its own pod. */
const podFields = [
  fieldEnv(agentEnv.podUid, 'metadata.uid'),
  fieldEnv(agentEnv.podName, 'metadata.name'),
  fieldEnv(agentEnv.podIp, 'status.podIP'),
  fieldEnv(agentEnv.agentType, `metadata.labels['${label.agentType}']`),
]

function fieldEnv(name: string, fieldPath: string): EnvVar {
  return { name, valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath } } }
}

/**
 * Merges by name. A forced variable replaces every entry of its name, because the kubelet lets the last one win. No entry
 * moves: the patch would hold its value, and patches go to the audit log. Of `added`, only what the pod leaves out comes
 * in.
 */
function merged(given: readonly EnvVar[], forced: readonly EnvVar[], added: readonly EnvVar[]): EnvVar[] {
  const byName = new Map(forced.map((entry) => [entry.name, entry]))
  const present = new Set(given.map((entry) => entry.name))
  return [
    ...given.map((entry) => byName.get(entry.name) ?? entry),
    ...added.filter((entry) => !present.has(entry.name)),
  ]
}

import { label } from '../../domain/names.ts'
import { finding, type GreenroomRule } from './greenroom-rule.ts'

export const agentType: GreenroomRule = {
  rule: 'agent-type',
  title: 'A row of the table',
  fields: [`metadata.labels[${label.agentType}]`],
  allowed: 'a name in `agentTypes` of the policy; unset if there is a row `default`',
  appliesTo: ['unknown-type'],
  mode: 'always',
  mutated: 'no',
  why: 'Without a row the policy does not say what the pod may do.',
  code: 'GRN_AGENT_TYPE_UNKNOWN',
  fix: 'Use a type that policy.yaml in ConfigMap agent-policy has a row for, or add one.',
  judge({ pod, policy }) {
    const known = Object.keys(policy.agentTypes)
    const allowed = known.length > 0 ? known.join(', ') : 'none, for no policy has been accepted'
    const found = pod.metadata?.labels?.[label.agentType]
    return [finding(`metadata.labels[${label.agentType}]`, found, allowed)]
  },
}

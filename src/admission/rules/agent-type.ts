import { label } from '../../domain/names.ts'
import { shown } from '../pod/violation.ts'
import type { Check } from './judged-pod.ts'

/**
 * The row of the table that a pod falls under.
 * Fields: `metadata.labels[agent-type]`. Allowed: a name in `agentTypes` of the policy; unset if there is a row
 * `default`.
 */
export const checkAgentType: Check = ({ standing, context }) => {
  if (standing.kind !== 'unknown-type') return []
  const known = Object.keys(context.policy.agentTypes)
  return [
    {
      rule: 'agent-type',
      code: 'GRN_AGENT_TYPE_UNKNOWN',
      path: `metadata.labels[${label.agentType}]`,
      found: shown(standing.agentType),
      allowed: known.length > 0 ? known.join(', ') : 'none, for no policy has been accepted',
      fix: 'Use a type that policy.yaml in ConfigMap agent-policy has a row for, or add one.',
    },
  ]
}

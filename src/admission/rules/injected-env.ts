import { sameValue } from '../pod/same-value.ts'
import { type Violation, violationOf } from '../pod/violation.ts'
import { forcedEnv } from './expected-fields.ts'
import type { Check } from './judged-pod.ts'

const rule = {
  rule: 'injected-env',
  allowed: 'what the webhook sets',
  fix: 'Leave the variable out; the webhook sets it.',
}

/**
 * The environment that Greenroom decides, on the agent container.
 * Fields: `env[*]` of the five `GREENROOM_*` variables and of the row's `secrets`. Allowed: there, and every
 * entry of the name is what the table gives. Values are never shown.
 */
export const checkInjectedEnv: Check = ({ agentContainer, standing, context }) => {
  if (!agentContainer) return []
  const { container, path } = agentContainer
  return forcedEnv(standing, context).flatMap((wanted): Violation[] => {
    const found = (container.env ?? []).filter((entry) => entry.name === wanted.name)
    if (found.length > 0 && found.every((entry) => sameValue(entry, wanted))) return []
    const text = found.length === 0 ? 'missing' : 'something else'
    return [{ ...violationOf(rule, `${path}.env[${wanted.name}]`, undefined), found: text }]
  })
}

import type { PodProbe } from '../pod/pod.ts'
import { sameValue } from '../pod/same-value.ts'
import { shown, violationOf } from '../pod/violation.ts'
import { probeFields } from '../policy/effective-row.ts'
import type { Check } from './judged-pod.ts'

/**
 * Probes that the row names, on the agent container.
 * Fields: `{livenessProbe,readinessProbe,startupProbe}` of the agent container. Allowed: exactly the row's.
 */
export const checkProbes: Check = ({ agentContainer, row }) => {
  if (!agentContainer || !row) return []
  const { container, path } = agentContainer
  return probeFields.flatMap((field) => {
    const wanted = row.probes[field]
    if (!wanted) return []
    const found = container[field]
    if (found === wanted || sameValue(withDefaults(found), withDefaults(wanted))) return []
    const rule = {
      rule: 'probes',
      allowed: shown(wanted),
      fix: 'Leave it out; the agent type decides.',
    }
    return [violationOf(rule, `${path}.${field}`, found)]
  })
}

/** Kubernetes' defaults filled in, so that a probe written by hand compares with one the API server completed. */
function withDefaults(probe: PodProbe | undefined): PodProbe | undefined {
  if (!probe) return undefined
  return {
    initialDelaySeconds: 0,
    timeoutSeconds: 1,
    periodSeconds: 10,
    successThreshold: 1,
    failureThreshold: 3,
    ...probe,
    ...(probe.httpGet && { httpGet: { scheme: 'HTTP', ...probe.httpGet } }),
  }
}

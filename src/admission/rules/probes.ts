import type { PodProbe } from '../pod/pod.ts'
import { sameValue } from '../pod/same-value.ts'
import { shown } from '../pod/violation.ts'
import { probeFields } from '../policy/effective-row.ts'
import { agentContainer as agentPath } from './field-path.ts'
import { finding, type GreenroomRule, shapedPods } from './greenroom-rule.ts'

export const probes: GreenroomRule = {
  rule: 'probes',
  title: 'Probes',
  fields: [`${agentPath}.{${probeFields.join(',')}}`],
  allowed: "exactly the row's, where it names one",
  appliesTo: shapedPods,
  mode: 'settable',
  mutated: 'yes',
  why: 'The row of the agent type says how the kubelet checks the agent.',
  fix: 'Leave it out; the agent type decides.',
  judge({ agentContainer, row }) {
    if (!agentContainer || !row) return []
    const { container, path } = agentContainer
    return probeFields.flatMap((field) => {
      const wanted = row.probes[field]
      if (!wanted) return []
      const found = container[field]
      if (found === wanted || sameValue(withDefaults(found), withDefaults(wanted))) return []
      return [finding(`${path}.${field}`, found, shown(wanted))]
    })
  },
  mutate(draft, { row }) {
    // Probes that the row does not name stay the pod's own.
    for (const { container, isAgent } of draft.containers)
      if (isAgent) draft.assign(container, row?.probes ?? {})
  },
}

/** With Kubernetes' defaults, so that a probe written by hand compares with one that the API server completed. */
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

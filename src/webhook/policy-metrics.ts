import { Gauge, type Registry } from 'prom-client'
import type { PolicyDocument } from '../admission/policy/policy-document.ts'
import type { DocumentStatus } from '../domain/document-status.ts'

interface PolicyMetricsOptions {
  readonly registry: Registry
  /** In force now. */
  readonly policy: () => PolicyDocument
  readonly status: () => DocumentStatus
}

/** Which policy is in force, and whether the newest one is. Read at each scrape, so it cannot lag behind. */
export function registerPolicyMetrics({ registry, policy, status }: PolicyMetricsOptions): void {
  const registers = [registry]
  new Gauge({
    name: 'greenroom_admission_policy_info',
    help: '1 for the version of the policy that is in force.',
    labelNames: ['version'],
    registers,
    collect() {
      this.reset()
      this.set({ version: policy().version }, 1)
    },
  })
  new Gauge({
    name: 'greenroom_admission_policy_resource_version',
    help: 'resourceVersion of ConfigMap agent-policy as last seen and as accepted; they differ while a bad one is refused.',
    labelNames: ['state'],
    registers,
    collect() {
      this.reset()
      const { seen, applied } = status()
      for (const [state, version] of Object.entries({ seen, accepted: applied }))
        if (version !== undefined) this.set({ state }, Number(version))
    },
  })
  new Gauge({
    name: 'greenroom_admission_policy_refused',
    help: '1 while ConfigMap agent-policy is not valid and something older is in force.',
    registers,
    collect() {
      this.set(status().problems ? 1 : 0)
    },
  })
  new Gauge({
    name: 'greenroom_admission_not_enforced_namespaces',
    help: 'Namespaces in which the policy is only tried out: nothing is changed or denied there.',
    registers,
    collect() {
      this.set(policy().rollout.audit.length)
    },
  })
}

import { absent, type DoctorCheck, failed, ok } from './doctor-check.ts'
import { readPolicy } from './read-documents.ts'

export const policyDocumentValid: DoctorCheck<'kubernetes'> = {
  name: 'policy-document',
  title: 'ConfigMap agent-policy is valid',
  when: 'after',
  part: 'kubernetes',
  why: 'Until a policy was accepted, agents of every type are denied.',
  fix: 'kubectl -n ai-agents edit configmap agent-policy',
  async run(clients, { config }) {
    const policy = await readPolicy(clients, config.GREENROOM_NAMESPACE)
    if (!policy) return absent(`There is no ConfigMap ${config.GREENROOM_NAMESPACE}/agent-policy.`)
    if (!policy.ok) return failed(`GRN_INVALID_POLICY: ${policy.problems.join('; ')}.`)
    const { version, agentTypes } = policy.value
    return ok(`Policy ${version} has rows for ${Object.keys(agentTypes).join(', ')}.`)
  },
}

import type { V1LabelSelector, V1NetworkPolicyPeer, V1NetworkPolicyPort } from '@kubernetes/client-node'

/** As the API has it. The client's own types call `from` something else. */
export interface NetworkRule {
  readonly from?: readonly V1NetworkPolicyPeer[]
  readonly to?: readonly V1NetworkPolicyPeer[]
  readonly ports?: readonly V1NetworkPolicyPort[]
}

/** A rule with what it is for, where its fields do not say it. */
export interface ExplainedRule {
  readonly why?: string
  readonly rule: NetworkRule
}

/** A network policy that says what it is for. Without a list nothing of its direction is allowed. */
export interface ExplainedPolicy {
  readonly name: string
  readonly namespace: string
  readonly why: string
  readonly podSelector: V1LabelSelector
  readonly policyTypes: readonly ('Ingress' | 'Egress')[]
  readonly ingress?: readonly ExplainedRule[]
  readonly egress?: readonly ExplainedRule[]
}

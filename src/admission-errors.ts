import type { ErrorEntry } from './error-entry.ts'

/** The part of the catalogue that reviews of pods and documents are refused with. */
export const admissionErrors = {
  GRN_INVALID_POOLS: {
    status: 422,
    title: 'ConfigMap agent-pools is not valid; the last accepted document stays in force',
    remedy: 'Correct the named path in pools.yaml.',
  },
  GRN_INVALID_POLICY: {
    status: 422,
    title: 'ConfigMap agent-policy is not valid; the last accepted document stays in force',
    remedy: 'Correct the named path in policy.yaml.',
  },
  GRN_BAD_REVIEW: {
    status: 400,
    title: 'This is not an AdmissionReview of admission.k8s.io/v1',
    remedy: 'Leave this address to the Kubernetes API server, or send an AdmissionReview.',
  },
  GRN_CALLER_UNKNOWN: {
    status: 403,
    title: 'The caller of this review is not known',
    remedy:
      'Call with a client certificate of GREENROOM_WEBHOOK_CLIENT_CA_FILE whose name is in GREENROOM_WEBHOOK_CLIENT_NAMES.',
  },
  GRN_AGENT_TYPE_UNKNOWN: {
    status: 403,
    title: 'The policy has no row for the agent type of this pod',
    remedy: 'Use an agent-type that policy.yaml has a row for, or add a row.',
  },
  GRN_LABEL_OWNERSHIP: {
    status: 403,
    title:
      'Only Greenroom may set labels and annotations of greenroom.dev, the label session, and app to the name of a component',
    remedy: 'Leave them out. Greenroom sets them itself.',
  },
  GRN_POD_OWNERSHIP: {
    status: 403,
    title: "Only Greenroom may change the pods of its pools, and nobody the spec of its own components' pods",
    remedy:
      'Edit agent-pools or agent-policy, or the Deployment: the pods are replaced. docs/admission.md says how to debug one.',
  },
  GRN_DOCUMENT_OWNERSHIP: {
    status: 403,
    title:
      'Only policyOwners may write the policy and the assign keys, and only Greenroom the accepted documents',
    remedy:
      'Ask one of the policyOwners in policy.yaml. What is accepted Greenroom copies itself. docs/break-glass.md shows the emergency exit.',
  },
  GRN_NAMESPACE_OWNERSHIP: {
    status: 403,
    title: 'Only namespaceOwners may remove or change the namespace label greenroom.dev/agents',
    remedy: 'Ask one of the namespaceOwners in policy.yaml. docs/break-glass.md shows the emergency exit.',
  },
  GRN_POLICY_VIOLATION: {
    status: 403,
    title: 'The pod does not meet the policy, and Greenroom cannot correct it',
    remedy: 'Change the fields that the message names.',
  },
} as const satisfies Record<string, ErrorEntry>

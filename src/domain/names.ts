/** Names that clients, manifests and people rely on (DESIGN: public surface). Change one only with a migration note. */

export const label = {
  app: 'app',
  agentType: 'agent-type',
  session: 'session',
  managed: 'greenroom.dev/managed',
  pool: 'greenroom.dev/pool',
  state: 'greenroom.dev/state',
  /** Which of Greenroom's own components a pod is. Admission gives it; Services and network policies select by it. */
  component: 'greenroom.dev/component',
} as const

export const annotation = {
  /** Hash of the pool's template at creation; another value means drift. */
  templateHash: 'greenroom.dev/template-hash',
  /** Key ids of the public assign keys that the webhook injected, newest first, comma-separated. */
  assignKeyIds: 'greenroom.dev/assign-key-ids',
  /** Why a pod that is kept for a look failed to start. */
  failure: 'greenroom.dev/failure',
  /** Version of the policy that shaped the pod. */
  policyVersion: 'greenroom.dev/policy-version',
  /** Digest of what the row of the agent type imposed on the pod; another one in force means drift. */
  policyDigest: 'greenroom.dev/policy-digest',
  /** "true": each change that the webhook makes comes back as a warning. Set by the pod's author; it stays on the pod. */
  explain: 'greenroom.dev/explain',
  /** Kubernetes' own: the kubelet's copy of a pod that it runs from a file. */
  mirror: 'kubernetes.io/config.mirror',
} as const

/** Only Greenroom's own ServiceAccounts set and change labels and annotations with this prefix. */
export const ownedPrefix = 'greenroom.dev/'

export const defaultAppLabel = 'conversational-ai-agent'

/** Namespaces with this label, value `enabled`, are judged by the webhook. */
export const agentsNamespaceLabel = 'greenroom.dev/agents'

export const configMapName = {
  pools: 'agent-pools',
  poolsAccepted: 'agent-pools-accepted',
  policy: 'agent-policy',
  policyAccepted: 'agent-policy-accepted',
  assignKeys: 'greenroom-assign-keys',
} as const

export const configMapKey = {
  pools: 'pools.yaml',
  policy: 'policy.yaml',
  /** A JWK Set of public Ed25519 keys, newest first. */
  assignKeys: 'keys.json',
} as const

/** The user name of Greenroom's webhook in the manifests. docs/adr/0015 says who writes which document. */
export const webhookUsername = 'system:serviceaccount:greenroom-system:agent-webhook'

/** The webhook's Service, Lease and both of its configurations. */
export const webhookName = 'agent-webhook'

/** The Lease of the elected controller. The manifests' Role allows this one. */
export const controllerLeaseName = 'greenroom-controller'

/** Where the manifests put the webhook. Nobody who runs agents may write there. */
export const webhookNamespace = 'greenroom-system'

/** The Secret of the built-in certificates, in the webhook's own namespace. */
export const webhookCertificatesName = 'agent-webhook-certificates'

/** The container that serves the session, if the pod has more than one. */
export const agentContainerName = 'agent'

export const agentPort = 8080

/** Environment that the webhook sets on the agent container. It always overwrites values of these names. */
export const agentEnv = {
  assignKeys: 'GREENROOM_ASSIGN_KEYS',
  podUid: 'GREENROOM_POD_UID',
  podName: 'GREENROOM_POD_NAME',
  podIp: 'GREENROOM_POD_IP',
  agentType: 'GREENROOM_AGENT_TYPE',
} as const

/**
 * The agent's identity in its LiveKit room, different for each attempt. LiveKit disconnects a participant when another
 * joins with the same identity, and Greenroom removes the agent of a failed attempt by its identity.
 */
export function agentIdentity(sessionId: string, epoch: number): string {
  return `agent-${sessionId}-${epoch}`
}

const agentIdentityPattern = /^agent-([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})-([1-9][0-9]{0,8})$/

/** The session and the attempt of an agent's identity; undefined for all other identities. */
export function agentOf(
  identity: string,
): { readonly sessionId: string; readonly epoch: number } | undefined {
  const [, sessionId, epoch] = agentIdentityPattern.exec(identity) ?? []
  return sessionId === undefined ? undefined : { sessionId, epoch: Number(epoch) }
}

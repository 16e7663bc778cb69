import { hash } from 'node:crypto'
import type { V1Pod } from '@kubernetes/client-node'
import { type AgentPod, agentPodFrom } from '../domain/agent-pod.ts'
import { podShape } from '../domain/pod-shape.ts'

/** SHA-256 of a pod's shape. Somebody who changes a pod must not find another one with the same digest. */
export function specDigest(pod: V1Pod): string {
  return hash('sha256', podShape(pod), 'base64url')
}

/** A pod as an informer keeps it; undefined for a pod that belongs to no pool. */
export function seenAgentPod(raw: V1Pod): AgentPod | undefined {
  const pod = agentPodFrom(raw)
  return pod && { ...pod, specDigest: specDigest(raw) }
}

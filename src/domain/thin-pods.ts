import { type Static, Type } from 'typebox'
import type { AgentPod } from './agent-pod.ts'
import type { PodResources } from './pod-resources.ts'

/**
 * Pods of a row that says `thin`. An idle pod requests little; when a session claims it, its requests are raised in place to
 * what the row gives. The session does not wait for that: the limits are the same all the time.
 *
 *     thin → (claimed, asked) growing → full
 *                               └→ deferred (no room on the node yet) or infeasible (never on this node)
 */

const Count = Type.Integer({ minimum: 0 })

export const ThinReport = Type.Object(
  {
    thin: Count,
    growing: Count,
    full: Count,
    deferred: Count,
    infeasible: Count,
  },
  {
    description:
      'Pods of a row that says `thin`, by size: idle ones are thin; a claimed one grows and is full, or its node has no room now (deferred) or ever (infeasible).',
  },
)
export type ThinReport = Static<typeof ThinReport>
export type ThinState = keyof ThinReport

/** The resources that Kubernetes changes in a running container. */
const resizable = ['cpu', 'memory']

/**
 * Whether the pod requests less than the row gives its agent. Only the requests may differ: with other limits the pod is of
 * another version of the policy, and is replaced, not resized.
 */
export function isThinner({ agentTakes }: Pick<AgentPod, 'agentTakes'>, full: PodResources): boolean {
  if (!agentTakes) return false
  const sameLimits = resizable.every((name) => agentTakes.limits[name] === full.limits[name])
  const request = (of: PodResources, name: string): bigint => of.requests[name] ?? 0n
  return (
    sameLimits &&
    resizable.some((name) => request(agentTakes, name) < request(full, name)) &&
    resizable.every((name) => request(agentTakes, name) <= request(full, name))
  )
}

export function thinStateOf(pod: Pick<AgentPod, 'agentTakes' | 'resize'>, full: PodResources): ThinState {
  const { resize } = pod
  if (isThinner(pod, full)) return 'thin'
  if (!resize) return 'full'
  return resize.state === 'in-progress' ? 'growing' : resize.state
}

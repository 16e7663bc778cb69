import { type Static, Type } from 'typebox'
import { orUndefined } from './or-undefined.ts'
import type { PodTrouble } from './pod-trouble.ts'
import type { PodWriteReason } from './pod-write-error.ts'

/** Why a pool does not get the pods that it wants: creates that are refused, or pods that do not become Ready. */
export type PoolProblemCause = PodWriteReason | PodTrouble['cause'] | 'unready' | 'canary'

/** What a person can do about each cause. */
const remedies: Readonly<Record<PoolProblemCause, string>> = {
  quota: 'Raise the ResourceQuota that the message names, or lower min or max of the pools.',
  'limit-range': 'Change the LimitRange, or the resources of the row of this type in agent-policy.',
  webhook: 'Check the admission webhook that the message names: its pods, its Service and its certificate.',
  api: 'Check the Kubernetes API server; Greenroom tries again by itself.',
  forbidden: 'Give session-management-sa the rights of manifests/base/session-server/rbac.yaml.',
  denied: 'Change template in agent-pools or the row of this type in agent-policy, as the message says.',
  invalid: 'Change template in agent-pools or the row of this type in agent-policy, as the message says.',
  image: 'Correct template.image in agent-pools, or make the image available to the nodes.',
  config: 'Provide what the message names: a Secret, a ConfigMap or a key in one.',
  crash:
    'Run the image with the command of the template and read its log: it ends before it serves. If it was killed, the Events of the pod name the probe.',
  node: 'Check the nodes: one of them refused or evicted the pod.',
  unschedulable: 'Add nodes, or correct resources, affinity or tolerations of the row in agent-policy.',
  deadline: 'Check GET /ready of the agent and its log, or raise startDeadlineSeconds of the pool.',
  canary: 'Correct template in agent-pools, or order greenroom rollout resume or undo; docs/rollout.md.',
  unready: 'Check GET /ready of the agent and the readiness probe of its row in agent-policy.',
}

const Time = Type.String({ format: 'date-time' })
const Cause = Type.Unsafe<PoolProblemCause>(
  Type.Union((Object.keys(remedies) as PoolProblemCause[]).map((cause) => Type.Literal(cause))),
)

export const PoolProblem = Type.Object({
  cause: Cause,
  message: Type.String({ description: 'In the words of the API server or the kubelet.' }),
  count: Type.Integer({ minimum: 1, description: 'Refused tries, or failed pods, since then.' }),
  since: Time,
  lastAt: Time,
  nextTryAt: orUndefined(Time),
  remedy: Type.String(),
})
export type PoolProblem = Static<typeof PoolProblem>

interface ProblemFacts {
  readonly cause: PoolProblemCause
  readonly message: string
  readonly count: number
  /** Epoch ms, as all times here. */
  readonly since: number
  readonly lastAt: number
  readonly nextTryAt: number | undefined
}

export function poolProblem({ cause, message, count, since, lastAt, nextTryAt }: ProblemFacts): PoolProblem {
  return {
    cause,
    message,
    count,
    since: rfc3339(since),
    lastAt: rfc3339(lastAt),
    ...(nextTryAt !== undefined && { nextTryAt: rfc3339(nextTryAt) }),
    remedy: remedies[cause],
  }
}

function rfc3339(epochMs: number): string {
  return new Date(epochMs).toISOString()
}

/** One sentence for callers and Events. */
export function describeProblem({ cause, message, remedy }: PoolProblem): string {
  return `${cause}: ${message.replace(/\.$/, '')}. ${remedy}`
}

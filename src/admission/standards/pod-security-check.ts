import { type Container, everyContainer, type PlacedContainer, type Pod } from '../pod/pod.ts'
import type { Rule, Violation } from '../pod/violation.ts'
import type { CheckDescription } from './check-description.ts'

/** What the standard looks at: the pod alone, never the policy. */
export interface BarePod {
  readonly pod: Pod
  readonly containers: readonly PlacedContainer[]
}

/** Pure; an empty list means that the pod passes. `rule` says what its violations always say. */
export type PodSecurityJudge = (bare: BarePod, rule: Rule) => readonly Violation[]

/**
 * `windows`: the API refuses the fields on such a pod, so it passes without them.
 * `user-namespace`: root in a pod with `hostUsers: false` has no rights on its node.
 */
export type ExemptPods = 'windows' | 'user-namespace'

/** The rules of a check from one release of Kubernetes on, until the next entry's. */
export interface PodSecurityRules {
  /** Minor version of Kubernetes 1. */
  readonly since: number
  readonly allowed: string
  /** Pods that pass unjudged. */
  readonly except?: ExemptPods
  readonly judge: PodSecurityJudge
}

/** One check of the Pod Security Standards, with the rules of every version, as k8s.io/pod-security-admission has it. */
export interface PodSecurityCheck extends CheckDescription {
  /** `restricted` holds every check of `baseline` besides its own. */
  readonly standard: 'baseline' | 'restricted'
  /** File in `policy/` of k8s.io/pod-security-admission that it follows. */
  readonly reference: string
  /** The way out, one sentence. */
  readonly fix: string
  /** Rising; before the first the check asks nothing. */
  readonly versions: readonly [PodSecurityRules, ...PodSecurityRules[]]
  /** The weaker check of `baseline` that it stands in for, from its own first version on. */
  readonly overrides?: PodSecurityCheck
}

/** The field of the securityContext of the pod and of every container. */
export function inSecurityContexts(field: string): string[] {
  return ['spec', everyContainer].map((place) => `${place}.securityContext.${field}`)
}

/** What is wrong in any container: at most one violation each. */
export function inContainers(
  containers: readonly PlacedContainer[],
  judge: (container: Container, path: string) => Violation | undefined,
): Violation[] {
  const violations: Violation[] = []
  for (const { container, path } of containers) {
    const violation = judge(container, path)
    if (violation) violations.push(violation)
  }
  return violations
}

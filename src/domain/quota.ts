interface QuotaStatus {
  readonly hard?: Readonly<Record<string, string>>
  readonly used?: Readonly<Record<string, string>>
}

/** Which pods a ResourceQuota counts: all of its scopes must fit. An entry of `spec.scopes` has operator Exists. */
export interface QuotaScope {
  readonly scope: string
  readonly operator: string
  readonly values: readonly string[]
}

/** What a ResourceQuota allows in the namespace of the pools. */
export interface Quota {
  readonly name: string
  /** Resource → quantity, as Kubernetes writes it: `limits.cpu` → `20`. */
  readonly hard: Readonly<Record<string, string>>
  /** What the API server enforces at present, and what is in use. */
  readonly enforced?: QuotaStatus
  readonly scopes: readonly QuotaScope[]
}

/** Pods of a pool have no deadline and have resources, and look for no pod in another namespace. */
const countsEveryAgent: Readonly<Record<string, boolean>> = {
  NotTerminating: true,
  NotBestEffort: true,
  Terminating: false,
  BestEffort: false,
  CrossNamespacePodAffinity: false,
}

/** Whether a quota counts the pods of a row with this priority class. A scope that is not known counts none. */
export function countsAgents({ scopes }: Pick<Quota, 'scopes'>, priorityClassName?: string): boolean {
  return scopes.every(({ scope, operator, values }) => {
    if (scope !== 'PriorityClass') return countsEveryAgent[scope] ?? false
    // As a label selector: NotIn and DoesNotExist also fit a pod without a class.
    const isOne = priorityClassName !== undefined && values.includes(priorityClassName)
    if (operator === 'In') return isOne
    if (operator === 'NotIn') return !isOne
    return (operator === 'Exists') === (priorityClassName !== undefined)
  })
}

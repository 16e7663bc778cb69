interface QuotaStatus {
  readonly hard?: Readonly<Record<string, string>>
  readonly used?: Readonly<Record<string, string>>
}

/** What a ResourceQuota allows in the namespace of the pools. */
export interface Quota {
  readonly name: string
  /** Resource → quantity, as Kubernetes writes it: `limits.cpu` → `20`. */
  readonly hard: Readonly<Record<string, string>>
  /** What the API server enforces at present, and what is in use. */
  readonly enforced?: QuotaStatus
  readonly scopes: readonly string[]
  /** True if it counts only some pods, by a selector that is not read here. */
  readonly isSelective: boolean
}

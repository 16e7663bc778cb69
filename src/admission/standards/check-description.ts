/** What docs/admission.md says of every rule; a check without it does not compile. */
export interface CheckDescription {
  /** Bounded set of names, one a check: a metric label, and `rule` of its violations. */
  readonly rule: string
  /** A few words for people. */
  readonly title: string
  /** The fields that it reads or writes, in the notation of rules/field-path.ts. */
  readonly fields: readonly string[]
  /** Whether the mutator makes it right, so that authors need not write it into a pod. `yes`: no violation is left. */
  readonly mutated: 'yes' | 'where absent' | 'no'
}

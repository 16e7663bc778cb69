/** What docs/admission.md says of every rule; a check without it does not compile. */
export interface CheckDescription {
  /** Bounded set of names, one a check: a metric label, and `rule` of its violations. */
  readonly rule: string
  /** A few words for people. */
  readonly title: string
  /** What it looks at, in Markdown. "Every container" means containers, init and ephemeral containers. */
  readonly fields: string
  /** Whether the mutator makes it right, so that authors need not write it into a pod. `yes`: no violation is left. */
  readonly mutated: 'yes' | 'where absent' | 'no'
}

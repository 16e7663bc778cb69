/**
 * Decides when the webhook's certificates are made, trusted, served and forgotten. The next step follows from what is
 * there, never from what was done before: if a leader dies at any point, the next one goes on. The order is: a new
 * authority is stored, then trusted by every webhook entry beside the old one, then signs what is served; the old one
 * is trusted until the last certificate that it signed has expired.
 */

/** What the plan needs to know of one X.509 certificate; times are Unix ms. */
export interface CertificateFacts {
  readonly pem: string
  /** SHA-256 of the certificate. */
  readonly fingerprint: string
  readonly notBeforeMs: number
  readonly notAfterMs: number
}

/** An authority that no longer signs: its key is thrown away. */
export interface SupersededAuthority extends CertificateFacts {
  /** When the last certificate that it signed has expired; after that it need not be trusted. */
  readonly untilMs: number
}

export interface LeafFacts extends CertificateFacts {
  /** Fingerprint of the known authority that signed it; undefined: none of them. */
  readonly issuer: string | undefined
  /** DNS names and IP addresses. */
  readonly names: readonly string[]
}

/** One webhook of one configuration. */
export interface TrustEntry {
  /** Such as `validating/agent-webhook`. */
  readonly configuration: string
  readonly webhook: string
  /** Text of its caBundle, '' for none. */
  readonly bundle: string
  /** The certificates in it that can be read and are authorities. */
  readonly authorities: readonly CertificateFacts[]
}

export interface CertificateState {
  /** The newest one, with its key; undefined: there is none, or it cannot be used. */
  readonly authority: CertificateFacts | undefined
  readonly superseded: readonly SupersededAuthority[]
  /** What the Secret gives the replicas to serve; undefined: nothing, or halves that do not belong together. */
  readonly leaf: LeafFacts | undefined
  /** Undefined: could not be read. A configuration that does not exist has no entries: no call comes through it. */
  readonly trust: readonly TrustEntry[] | undefined
  /** How long this leader has seen every entry trust `authority`, ms; undefined: some entry does not. */
  readonly trustedForMs: number | undefined
}

export interface CertificateRules {
  readonly authorityLifeMs: number
  readonly leafLifeMs: number
  /** How long a trust that was read back may take to reach the caches of every API server, ms. */
  readonly settleMs: number
  /** What the leaf must be good for. */
  readonly names: readonly string[]
}

export type CertificateStep =
  /** Make an authority and store it with these beside it; the leaf stays as it is. */
  | { readonly kind: 'make-authority'; readonly superseded: readonly SupersededAuthority[] }
  /** Have every webhook entry trust exactly these, PEM. */
  | { readonly kind: 'publish-trust'; readonly bundle: string }
  /** Have the authority sign a new leaf, and store it. */
  | { readonly kind: 'make-leaf' }
  /** Store that only these are still needed. */
  | { readonly kind: 'forget-authorities'; readonly superseded: readonly SupersededAuthority[] }
  /** The trust is there, but not long enough to be relied on; look again after `ms`. */
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'nothing' }

/**
 * Certificates begin this long before they are made: an API server or a next leader whose clock is an hour behind still
 * accepts them.
 */
export const clockSkewMs = 3_600_000

/** A third of a life (months of an authority, ten days of a leaf) is left to repair whatever prevents the renewal. */
const renewAfterShare = 2 / 3

export function certificatePlan(
  state: CertificateState,
  nowMs: number,
  rules: CertificateRules,
): CertificateStep {
  const { authority, leaf, trust } = state
  if (authority === undefined || isDue(authority, nowMs))
    return { kind: 'make-authority', superseded: supersededWith(state, nowMs, rules) }
  const bundle = bundleOf(state, nowMs)
  if (trust?.some((entry) => entry.bundle !== bundle)) return { kind: 'publish-trust', bundle }
  const leafStep = planLeaf(state, nowMs, rules)
  if (leafStep) return leafStep
  const needed = state.superseded.filter(({ untilMs }) => untilMs > nowMs)
  if (needed.length < state.superseded.length && leaf?.issuer === authority.fingerprint)
    return { kind: 'forget-authorities', superseded: needed }
  return { kind: 'nothing' }
}

/**
 * True from two thirds of its life on. Life begins when it was made, not at `notBefore`, which is earlier by design. Also
 * true for one that a clock far ahead has dated into the future: others would not accept it yet.
 */
export function isDue({ notBeforeMs, notAfterMs }: CertificateFacts, nowMs: number): boolean {
  const madeAtMs = notBeforeMs + clockSkewMs
  return nowMs >= madeAtMs + (notAfterMs - madeAtMs) * renewAfterShare || nowMs < notBeforeMs - clockSkewMs
}

/** Newest first. Those whose last certificate has expired are left out before they are forgotten. */
export function bundleOf(state: CertificateState, nowMs: number): string {
  const needed = state.superseded.filter(({ untilMs }) => untilMs > nowMs)
  return [state.authority, ...needed].map((known) => (known ? `${known.pem.trim()}\n` : '')).join('')
}

function planLeaf(
  state: CertificateState,
  nowMs: number,
  rules: CertificateRules,
): CertificateStep | undefined {
  const { authority, leaf, trust, trustedForMs } = state
  const renewal = leaf !== undefined && leaf.issuer === authority?.fingerprint
  if (renewal && !isDue(leaf, nowMs) && sameNames(leaf.names, rules.names)) return undefined
  // A client that trusts the leaf in use trusts its successor as well: the configurations do not matter.
  if (renewal) return { kind: 'make-leaf' }
  if (trust === undefined || trustedForMs === undefined) return { kind: 'nothing' }
  const leftMs = rules.settleMs - trustedForMs
  return leftMs <= 0 || nothingWorks(state, nowMs) ? { kind: 'make-leaf' } : { kind: 'wait', ms: leftMs }
}

/**
 * True if no replica can be serving a trusted certificate, so that there is nothing to wait for. Without a leaf in the
 * Secret the replicas may still hold one whose authority was found in the configurations.
 */
function nothingWorks({ leaf, superseded }: CertificateState, nowMs: number): boolean {
  if (leaf === undefined) return superseded.length === 0
  return leaf.issuer === undefined || leaf.notAfterMs <= nowMs
}

/**
 * The authorities that stay beside a new one. If there is no usable authority (the Secret was deleted, or another source
 * of certificates was in use before), the replicas may still serve a leaf whose authority only the configurations know:
 * the authorities found there are kept for the life of a leaf.
 */
function supersededWith(
  { authority, superseded, leaf, trust }: CertificateState,
  nowMs: number,
  { leafLifeMs }: CertificateRules,
): SupersededAuthority[] {
  const known = new Map(superseded.map((old) => [old.fingerprint, old]))
  const add = (facts: CertificateFacts, untilMs: number): void => {
    if (known.has(facts.fingerprint)) return
    known.set(facts.fingerprint, { ...facts, untilMs: Math.min(facts.notAfterMs, untilMs) })
  }
  const withoutRecord = nowMs + leafLifeMs
  if (authority) add(authority, leaf?.issuer === authority.fingerprint ? leaf.notAfterMs : withoutRecord)
  else for (const entry of trust ?? []) for (const facts of entry.authorities) add(facts, withoutRecord)
  return [...known.values()].filter(({ untilMs }) => untilMs > nowMs)
}

function sameNames(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((name) => others.includes(name))
}

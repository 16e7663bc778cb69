/** A token bucket for the creates of one pool: `refill.perSecond` of agent-pools. Pure; times are epoch ms. */
export interface CreateAllowance {
  /** How many pods may be made at `at`; a fraction is on its way to the next. */
  readonly pods: number
  readonly at: number
}

/** The allowance now. A new one is full; a clock that jumps back gives nothing and takes nothing. */
export function allowanceAt(
  before: CreateAllowance | undefined,
  { perSecond, now }: { readonly perSecond: number; readonly now: number },
): CreateAllowance {
  const most = Math.max(1, perSecond)
  if (!before) return { pods: most, at: now }
  const grown = (Math.max(0, now - before.at) / 1_000) * perSecond
  return { pods: Math.min(most, before.pods + grown), at: now }
}

/** What is left after so many creates. */
export function spent({ pods, at }: CreateAllowance, creates: number): CreateAllowance {
  return { pods: pods - creates, at }
}

/** How long until one more pod may be made, ms. */
export function nextAllowedMs({ pods }: CreateAllowance, perSecond: number): number {
  return Math.max(0, Math.ceil(((Math.floor(pods) + 1 - pods) / perSecond) * 1_000))
}

/** What the sizing of one pool is told: at each claim, each pod that became Ready, and now and then in between. */
export interface SizingInput {
  /** Epoch milliseconds. A clock that jumps back counts as no time. */
  readonly now: number
  /** Since the last input: sessions asked for, each once, refused and waiting ones too. */
  readonly arrivals: number
  /** Those of `arrivals` that found no warm pod. */
  readonly misses: number
  /** Seconds from creation to Ready of each pod that became Ready since the last input. */
  readonly starts: readonly number[]
  /** Starts of this pool fail: nothing is learned and the target does not grow. */
  readonly failing: boolean
  /** Age of the oldest pod that is still starting; 0 if there is none. */
  readonly oldestStartSeconds: number
  readonly claimed: number
  readonly ready: number
  readonly starting: number
  /** Sessions that wait for a pod. */
  readonly waiting: number
  /** What the pool's schedule asks for now, the lead time included. */
  readonly scheduled?: { readonly pods: number; readonly window: string }
}

/** The pool's own limits. `max` and `quota` are of idle and claimed pods together. */
export interface SizingBounds {
  readonly min: number
  readonly max: number
  /** Pods of this pool that the namespace's quota allows in all. */
  readonly quota?: number
}

/** What the last look came to. `since`: when the first of the failures in a row was, epoch ms. */
export type Look<T> =
  | { readonly kind: 'seen'; readonly value: T }
  | { readonly kind: 'failed'; readonly reason: string; readonly since: number }

interface SharedLookOptions<T> {
  /** `signal` fires when nobody waits any more. */
  readonly ask: (signal: AbortSignal) => Promise<T>
  /** An asker waits for no longer; the answer counts as failed until it comes. */
  readonly withinMs: number
  /** An answer serves everybody who asks within this time. */
  readonly keptMs: number
  /** Epoch ms. */
  readonly now: () => number
}

/**
 * One question for many askers: at most one is on its way at a time, its answer is kept for a moment, and no asker waits
 * longer than `withinMs` for it. A question that hangs is not asked again before it has ended. Never rejects.
 */
export function createSharedLook<T>({ ask, withinMs, keptMs, now }: SharedLookOptions<T>) {
  let underWay: { readonly look: Promise<Look<T>>; readonly since: number } | undefined
  let last: { readonly look: Look<T>; readonly at: number } | undefined
  let failingSince: number | undefined

  async function look(): Promise<Look<T>> {
    const begun = now()
    let found: Look<T>
    try {
      found = { kind: 'seen', value: await ask(AbortSignal.timeout(withinMs)) }
      failingSince = undefined
    } catch (error) {
      failingSince ??= begun
      found = { kind: 'failed', reason: sentenceOf(error), since: failingSince }
    }
    last = { look: found, at: now() }
    underWay = undefined
    return found
  }

  return async (): Promise<Look<T>> => {
    if (last && now() - last.at < keptMs) return last.look
    underWay ??= { since: now(), look: look() }
    const { since } = underWay
    const late = Promise.withResolvers<Look<T>>()
    const timer = setTimeout(
      () => {
        failingSince ??= since
        late.resolve({ kind: 'failed', reason: `no answer within ${withinMs} ms`, since: failingSince })
      },
      Math.max(0, since + withinMs - now()),
    )
    try {
      return await Promise.race([underWay.look, late.promise])
    } finally {
      clearTimeout(timer)
    }
  }
}

function sentenceOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.message.replace(/\.$/, '') || error.name
}

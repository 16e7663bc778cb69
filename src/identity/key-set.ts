import { createLocalJWKSet, errors, type JWK, type JWTVerifyGetKey } from 'jose'
import { GreenroomError } from '../errors.ts'
import { pause } from '../timing/pause.ts'

/** What an issuer publishes: who it is, and its JWK Set as it came. */
export interface PublishedKeys {
  readonly issuer: string
  readonly keys: unknown
}

interface KeySetDeps {
  readonly read: (signal: AbortSignal) => Promise<PublishedKeys>
  readonly onError: (error: unknown) => void
  /** Monotonic milliseconds. */
  readonly now: () => number
}

interface Loaded {
  readonly issuer: string
  readonly find: JWTVerifyGetKey
  readonly at: number
}

/** A key that the issuer has taken away is refused after this time at the latest, and one minute (see token-callers.ts). */
export const refreshMs = 300_000
/** An unknown key id asks the issuer again, so that a new key works at once; no oftener than this, whoever sends ids. */
export const againMs = 10_000
/** How long one read may take. A request with an unknown key id waits for it. */
export const readWithinMs = 3_000
/** An issuer that is away stops nobody for a day. */
export const mostStaleMs = 86_400_000
const mostKeys = 100

export type KeySet = ReturnType<typeof createKeySet>

/**
 * The public keys of an issuer, read ahead and kept. An answer that is late, too large, no key set or without a usable key
 * changes nothing: the keys that were read before stay in force.
 */
export function createKeySet({ read, onError, now }: KeySetDeps) {
  let loaded: Loaded | undefined
  let triedAt = Number.NEGATIVE_INFINITY
  let underWay: Promise<void> | undefined

  async function load(): Promise<void> {
    triedAt = now()
    const reading = new AbortController()
    const late = pause(readWithinMs, reading.signal).then(() => {
      if (!reading.signal.aborted) throw new Error(`no answer within ${readWithinMs} ms`)
    })
    try {
      const published = await Promise.race([read(reading.signal), late])
      if (!published) return
      loaded = {
        issuer: published.issuer,
        find: createLocalJWKSet({ keys: usableKeys(published.keys) }),
        at: now(),
      }
    } catch (error) {
      onError(error)
    } finally {
      reading.abort()
    }
  }

  /** Reads once, whoever asks for it meanwhile; never rejects. */
  function reload(): Promise<void> {
    if (underWay === undefined && now() - triedAt < againMs) return Promise.resolve()
    underWay ??= load().finally(() => {
      underWay = undefined
    })
    return underWay
  }

  async function present(): Promise<Loaded> {
    if (!loaded) await reload()
    if (!loaded || now() - loaded.at > mostStaleMs)
      throw new GreenroomError('GRN_ISSUER_UNAVAILABLE', undefined, { retryAfterMs: againMs })
    return loaded
  }

  return {
    issuer: async (): Promise<string> => (await present()).issuer,

    /** The key that a token names. */
    find: (async (header, token) => {
      const before = await present()
      try {
        return await before.find(header, token)
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
        await reload()
        const after = await present()
        if (after === before) throw error
        return after.find(header, token)
      }
    }) satisfies JWTVerifyGetKey,

    /** To be called each second. */
    async look(): Promise<void> {
      if (!loaded || now() - loaded.at >= refreshMs) await reload()
    },
  }
}

/** Public signature keys only. A shared secret in a key set would let everybody who can read it make tokens. */
function usableKeys(published: unknown): JWK[] {
  const { keys } = (published ?? {}) as { keys?: unknown }
  if (!Array.isArray(keys)) throw new Error('this is no JWK Set')
  if (keys.length > mostKeys) throw new Error(`the JWK Set has more than ${mostKeys} keys`)
  const usable = keys.filter(isUsable)
  if (usable.length === 0) throw new Error('the JWK Set has no usable key')
  return usable
}

function isUsable(key: unknown): key is JWK {
  if (typeof key !== 'object' || key === null) return false
  const { kty, use, d } = key as JWK
  return ['RSA', 'EC', 'OKP'].includes(kty ?? '') && (use === undefined || use === 'sig') && d === undefined
}

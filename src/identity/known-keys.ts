import { timingSafeEqual } from 'node:crypto'
import type { ApiKey, KeyDigests, KeyLedger } from '../domain/api-key.ts'
import type { Caller } from '../domain/caller.ts'
import type { WakeBus } from '../domain/index-ports.ts'
import { GreenroomError } from '../errors.ts'
import { type ApiKeyParts, readApiKey, secretDigest } from './api-key-text.ts'

interface KnownKeysDeps {
  readonly keys: Pick<KeyLedger, 'changesSince'>
  readonly wakes: Pick<WakeBus, 'subscribe'>
  /** A load that a wake-up asked for failed. */
  readonly onError: (error: unknown) => void
  /** Monotonic milliseconds. */
  readonly now: () => number
}

interface KnownKey {
  readonly caller: Caller
  readonly digest: Buffer
  readonly old: { readonly digest: Buffer; readonly until: number } | undefined
}

/**
 * Every live key of the installation in the memory of this replica, so that a request with a key costs no query, and one
 * with a wrong key neither. Some 300 bytes a key. Changes come in two ways: a wake-up by Redis, and a look each second that
 * reads one row when nothing has changed (`look`, called by the role).
 *
 * While PostgreSQL cannot be read, known keys go on for {@link mostStaleMs}, except one that a wake-up named: it was changed,
 * perhaps revoked. Its requests wait for the change to be read. What cannot be told is answered so (503), and unknown keys
 * as well from {@link unsureAfterMs} on: a client that is told "wrong key" throws its key away.
 */
export const mostStaleMs = 600_000
export const unsureAfterMs = 10_000
/** After a restored backup the numbers of changes go on from an earlier one, so all keys are read again now and then. */
export const allAgainMs = 60_000

export type KnownKeys = ReturnType<typeof createKnownKeys>

export function createKnownKeys({ keys, wakes, onError, now }: KnownKeysDeps) {
  const known = new Map<string, KnownKey>()
  /** Ids that a wake-up named and that were not read since. */
  const changed = new Set<string>()
  let revision = 0
  let loadedAt = Number.NEGATIVE_INFINITY
  let allReadAt = Number.NEGATIVE_INFINITY
  /** The look under way, and the one that follows it for those who came meanwhile. */
  let underWay: Promise<void> | undefined
  let next: Promise<void> | undefined

  async function load(): Promise<void> {
    const begun = now()
    const named = [...changed]
    let since = begun - allReadAt < allAgainMs ? revision : 0
    let changes = await keys.changesSince(since)
    if (changes.revision < revision && since > 0) {
      since = 0
      changes = await keys.changesSince(since)
    }
    if (since === 0) {
      known.clear()
      allReadAt = begun
    }
    for (const key of changes.keys) note(key, begun)
    revision = changes.revision
    loadedAt = begun
    for (const id of named) changed.delete(id)
  }

  function note(key: ApiKey & KeyDigests, at: number): void {
    if (key.revokedAt === undefined) known.set(key.id, knownKeyOf(key, at))
    else known.delete(key.id)
  }

  /** Reads what has changed. One that began before this call may have missed the change, so another follows it. */
  function look(): Promise<void> {
    if (underWay === undefined) {
      underWay = load().finally(() => {
        underWay = undefined
      })
      return underWay
    }
    next ??= underWay
      .catch(() => {})
      .then(() => {
        next = undefined
        return look()
      })
    return next
  }

  wakes.subscribe((wake) => {
    if (wake.kind !== 'keys') return
    changed.add(wake.keyId)
    look().catch(onError)
  })

  function judge({ id, secret }: ApiKeyParts): Caller | undefined {
    const key = known.get(id)
    const staleMs = now() - loadedAt
    // Hashed and compared in any case, so that the time tells nothing about ids.
    const isRight = matches(key ?? nobody, secretDigest(secret), now())
    if (key && isRight && staleMs <= mostStaleMs) return key.caller
    if (staleMs > unsureAfterMs) throw cannotTell()
    return undefined
  }

  async function judgeChanged(parts: ApiKeyParts): Promise<Caller | undefined> {
    await (underWay ?? look()).catch(() => {})
    if (changed.has(parts.id)) throw cannotTell()
    return judge(parts)
  }

  return {
    look,

    /** undefined: no key, or a wrong one. Throws GRN_DATABASE_UNAVAILABLE when that cannot be told. */
    identify(bearer: string): Caller | undefined | Promise<Caller | undefined> {
      const parts = readApiKey(bearer)
      if (!parts) return undefined
      return changed.has(parts.id) ? judgeChanged(parts) : judge(parts)
    },
    size: () => known.size,
  }
}

const nobody: Pick<KnownKey, 'digest' | 'old'> = { digest: Buffer.alloc(32), old: undefined }

function matches({ digest, old }: Pick<KnownKey, 'digest' | 'old'>, given: Buffer, at: number): boolean {
  const isPresent = timingSafeEqual(digest, given)
  return (old !== undefined && at < old.until && timingSafeEqual(old.digest, given)) || isPresent
}

function knownKeyOf({ id, projectId, scopes, digest, old }: ApiKey & KeyDigests, at: number): KnownKey {
  return {
    caller: { kind: 'api-key', id, projectId, scopes: new Set(scopes) },
    digest,
    old: old && { digest: old.digest, until: at + old.forMs },
  }
}

function cannotTell(): GreenroomError {
  const sentence = 'Whether this key is good cannot be read from PostgreSQL now.'
  return new GreenroomError('GRN_DATABASE_UNAVAILABLE', sentence, { retryAfterMs: 1_000 })
}

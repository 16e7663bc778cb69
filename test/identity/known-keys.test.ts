import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import type { ApiKey, KeyDigests } from '../../src/domain/api-key.ts'
import type { Wake } from '../../src/domain/index-ports.ts'
import { apiKeyText, newKeyId, newSecret, secretDigest } from '../../src/identity/api-key-text.ts'
import { allAgainMs, createKnownKeys, mostStaleMs, unsureAfterMs } from '../../src/identity/known-keys.ts'

/** A replica's memory over a ledger that is played here, with a clock of the test. */
function start() {
  const rows = new Map<string, ApiKey & KeyDigests & { revision: number }>()
  const listeners: ((wake: Wake) => void)[] = []
  const errors: unknown[] = []
  let revision = 0
  let asked = 0
  let clock = 0
  let failure: Error | undefined
  const known = createKnownKeys({
    keys: {
      async changesSince(since) {
        asked += 1
        if (since > revision) return { revision, keys: [] }
        const found = [...rows.values()].filter((row) => row.revision > since)
        const read = { revision, keys: found }
        await turn()
        if (failure) throw failure
        return read
      },
    },
    wakes: {
      subscribe(listener) {
        listeners.push(listener)
        return () => {}
      },
    },
    onError: (error) => errors.push(error),
    now: () => clock,
  })
  return {
    known,
    errors,
    asked: () => asked,
    pass: (ms: number) => {
      clock += ms
    },
    fail: (error: Error | undefined) => {
      failure = error
    },
    restore: () => {
      revision = 1
      rows.clear()
    },
    wake: (keyId: string) => listeners.forEach((listen) => listen({ kind: 'keys', keyId })),
    /** Writes a key, as another replica would; resolves with its text. */
    put: (id: string, facts: Partial<ApiKey & KeyDigests> = {}): string => {
      revision += 1
      const secret = newSecret()
      const created = { createdAt: 0, createdBy: 'test', rotatedAt: undefined, oldSecretUntil: undefined }
      const key = {
        id,
        name: 'n',
        projectId: 'a',
        scopes: ['admin'] as const,
        revokedAt: undefined,
        ...created,
      }
      rows.set(id, { ...key, digest: secretDigest(secret), old: undefined, ...facts, revision })
      return apiKeyText({ id, secret })
    },
  }
}

void t.test('a known key is its caller, and everything else is nobody, without a look', async (t) => {
  const { known, put, asked } = start()
  const id = newKeyId()
  const text = put(id)
  await known.look()
  t.match(known.identify(text), { kind: 'api-key', id, projectId: 'a' })
  const before = asked()
  for (let n = 0; n < 10_000; n += 1) {
    const wrong = apiKeyText({ id: n % 2 === 0 ? id : newKeyId(), secret: newSecret() })
    if (known.identify(wrong) !== undefined) t.fail(wrong)
  }
  t.equal(known.identify('gr_no-key'), undefined)
  t.equal(asked(), before, '10,000 wrong keys ask PostgreSQL nothing')
  t.equal(known.size(), 1, 'and are not remembered')
  t.match(known.identify(text), { id }, 'and lock nobody out')
})

void t.test('two secrets are live after a rotation, the old one until its time', async (t) => {
  const { known, put, pass } = start()
  const id = newKeyId()
  const oldSecret = newSecret()
  const text = put(id, { old: { digest: secretDigest(oldSecret), forMs: 5_000 } })
  const oldText = apiKeyText({ id, secret: oldSecret })
  await known.look()
  t.match([known.identify(text), known.identify(oldText)], [{ id }, { id }])
  pass(5_000)
  t.match(known.identify(text), { id })
  t.equal(known.identify(oldText), undefined)
})

void t.test('a revoked key is nobody after a wake-up, or after the next look without one', async (t) => {
  const { known, put, wake } = start()
  const [woken, looked] = [newKeyId(), newKeyId()]
  const texts = [put(woken), put(looked)]
  await known.look()
  put(woken, { revokedAt: 1 })
  wake(woken)
  t.equal(await known.identify(texts[0] ?? ''), undefined, 'its request waits for the change')
  put(looked, { revokedAt: 1 })
  await known.look()
  t.equal(known.identify(texts[1] ?? ''), undefined)
})

void t.test('a rotation refuses no request of its key', async (t) => {
  const { known, put, wake } = start()
  const id = newKeyId()
  put(id)
  await known.look()
  const text = put(id)
  wake(id)
  t.match(await known.identify(text), { id })
})

void t.test('a change that comes during a look is read by the look after it', async (t) => {
  const { known, put } = start()
  const first = known.look()
  const text = put(newKeyId())
  await Promise.all([first, known.look(), known.look()])
  t.ok(known.identify(text))
})

void t.test('PostgreSQL is away', async (t) => {
  const { known, put, pass, fail, wake, errors } = start()
  const [id, other] = [newKeyId(), newKeyId()]
  const [text, changed] = [put(id), put(other)]
  const unknown = apiKeyText({ id: newKeyId(), secret: newSecret() })
  await known.look()
  fail(new Error('away'))
  await t.rejects(known.look(), /away/)
  t.equal(known.identify(unknown), undefined, 'for a moment the last look is good enough')
  pass(unsureAfterMs + 1)
  t.match(known.identify(text), { id }, 'known keys go on')
  t.throws(() => known.identify(unknown), { code: 'GRN_DATABASE_UNAVAILABLE' })
  wake(other)
  await t.rejects(async () => known.identify(changed), { code: 'GRN_DATABASE_UNAVAILABLE' })
  t.equal(errors.length, 1)
  pass(mostStaleMs)
  t.throws(() => known.identify(text), { code: 'GRN_DATABASE_UNAVAILABLE' }, 'not for ever')
  fail(undefined)
  await known.look()
  t.match([known.identify(text), known.identify(changed)], [{ id }, { id: other }])
})

void t.test('after a restored backup only what the database has is known', async (t) => {
  const { known, put, restore, pass } = start()
  const lost = put(newKeyId())
  put(newKeyId())
  await known.look()
  restore()
  await known.look()
  t.equal(known.identify(lost), undefined, 'the number of the last change is lower')
  put(newKeyId())
  const later = put(newKeyId())
  await known.look()
  restore()
  put(newKeyId())
  const text = put(newKeyId())
  pass(allAgainMs)
  await known.look()
  t.ok(known.identify(text))
  t.equal(known.identify(later), undefined, 'as many changes were made again before the look')
  t.equal(known.size(), 2)
})

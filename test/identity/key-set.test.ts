import { exportJWK, generateKeyPair, type JWK } from 'jose'
import t from 'tap'
import {
  againMs,
  createKeySet,
  mostStaleMs,
  type PublishedKeys,
  refreshMs,
} from '../../src/identity/key-set.ts'

const issuer = 'https://issuer'
const pairs = await Promise.all([1, 2].map(() => generateKeyPair('ES256')))
const [first, second] = await Promise.all(
  pairs.map(async ({ publicKey }, n) => ({
    ...(await exportJWK(publicKey)),
    kid: `k${n + 1}`,
    alg: 'ES256',
  })),
)

/** Over an issuer that is played here, with a clock of the test. */
function start(keys: unknown) {
  let clock = 0
  let published = keys
  let reads = 0
  let failure: Error | undefined
  const errors: unknown[] = []
  const keySet = createKeySet({
    async read(): Promise<PublishedKeys> {
      reads += 1
      if (failure) throw failure
      return { issuer, keys: published }
    },
    onError: (error) => errors.push(error),
    now: () => clock,
  })
  return {
    keySet,
    errors,
    reads: () => reads,
    find: async (kid: string, alg = 'ES256') => {
      const header = { alg, kid }
      return keySet.find(header, { payload: '', signature: '' })
    },
    publish: (next: unknown) => void (published = next),
    fail: (error: Error | undefined) => void (failure = error),
    pass: (ms: number) => void (clock += ms),
  }
}

const setOf = (...keys: (JWK | undefined)[]) => ({ keys })
const missing = { code: 'ERR_JWKS_NO_MATCHING_KEY' }

void t.test(
  'a new key works at once, and a key that was taken away is refused after the next reading',
  async (t) => {
    const { find, publish, pass, keySet, reads } = start(setOf(first))
    t.ok(await find('k1'))
    publish(setOf(second))
    await t.rejects(find('k2'), missing, 'not asked again so soon')
    pass(againMs)
    t.ok(await find('k2'))
    await t.rejects(find('k1'), missing)
    t.equal(reads(), 2)
    pass(refreshMs)
    await keySet.look()
    await keySet.look()
    t.equal(reads(), 3)
  },
)

void t.test('unknown key ids ask the issuer once in a while, however many come', async (t) => {
  const { find, pass, reads } = start(setOf(first))
  await find('k1')
  pass(againMs)
  await Promise.all(Array.from({ length: 500 }, (_, n) => t.rejects(find(`x${n}`), missing)))
  t.equal(reads(), 2)
})

void t.test('an answer that is no key set changes nothing', async (t) => {
  const { find, publish, pass, errors } = start(setOf(first))
  await find('k1')
  const secret = { kty: 'oct', k: 'c2VjcmV0', kid: 'k9', alg: 'HS256' }
  const lies = [
    undefined,
    null,
    'keys',
    {},
    { keys: 'k1' },
    setOf(),
    setOf(secret),
    { keys: [null, 1] },
    setOf({ ...first, d: 'AAAA' }),
    setOf({ ...first, use: 'enc' }),
    { keys: Array(101).fill(second) },
  ]
  for (const lie of lies) {
    publish(lie)
    pass(againMs)
    await t.rejects(find('k9'), missing)
    t.ok(await find('k1'))
  }
  t.equal(errors.length, lies.length)
  publish(setOf(secret, second))
  pass(againMs)
  t.ok(await find('k2'), 'a usable key beside a secret')
  await t.rejects(find('k9', 'HS256'), 'the secret is no key')
})

void t.test('an issuer that is away stops nobody for a day', async (t) => {
  const { find, fail, pass, keySet } = start(setOf(first))
  await find('k1')
  fail(new Error('away'))
  pass(mostStaleMs)
  await keySet.look()
  t.ok(await find('k1'))
  pass(1)
  await t.rejects(find('k1'), { code: 'GRN_ISSUER_UNAVAILABLE', status: 503 })
  fail(undefined)
  pass(againMs)
  await keySet.look()
  t.ok(await find('k1'))
})

void t.test('before the first answer it is not known whose a token is', async (t) => {
  const { keySet, fail } = start(setOf(first))
  fail(new Error('away'))
  await t.rejects(keySet.issuer(), { code: 'GRN_ISSUER_UNAVAILABLE' })
})

import { createLocalJWKSet, exportJWK, generateKeyPair, SignJWT } from 'jose'
import t from 'tap'
import { claimedIssuer, createTokenCallers, verifiedKeptMs } from '../../src/identity/token-callers.ts'

const { publicKey, privateKey } = await generateKeyPair('EdDSA')
const find = createLocalJWKSet({ keys: [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'EdDSA' }] })

const tokenOf = (exp: number) =>
  new SignJWT({ exp, iss: 'https://issuer', aud: 'greenroom', sub: 'ann' })
    .setProtectedHeader({ alg: 'EdDSA', kid: 'k1' })
    .sign(privateKey)

void t.test('a token is verified once a minute, and is nobody after its end', async (t) => {
  let clock = 1_000_000_000_000
  let verified = 0
  const identify = createTokenCallers({
    keySet: { issuer: async () => 'https://issuer', find },
    audience: 'greenroom',
    callerOf: ({ sub = '' }) => {
      verified += 1
      return { kind: 'oidc', id: sub, projectId: undefined, scopes: new Set() }
    },
    clock: () => clock,
  })
  const token = await tokenOf(clock / 1_000 + 600)
  for (let n = 0; n < 5; n += 1) t.match(await identify(token), { id: 'ann' })
  t.equal(verified, 1)
  clock += verifiedKeptMs
  t.match(await identify(token), { id: 'ann' })
  t.equal(verified, 2)
  const short = await tokenOf(clock / 1_000 + 5)
  t.match(await identify(short), { id: 'ann' })
  clock += 34_000
  t.match(await identify(short), { id: 'ann' }, 'clocks may differ by 30 s')
  clock += 2_000
  t.equal(await identify(short), undefined, 'though it was verified less than a minute ago')
})

void t.test('who claims to be the issuer', async (t) => {
  t.equal(claimedIssuer(await tokenOf(1)), 'https://issuer')
  for (const text of ['', 'a.b.c', 'gr_x_y', 'x'.repeat(8_000), '..']) t.equal(claimedIssuer(text), undefined)
})

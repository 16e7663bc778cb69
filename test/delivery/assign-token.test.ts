import { createHash, createPublicKey } from 'node:crypto'
import { decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose'
import t from 'tap'
import { signDelivery } from '../../src/delivery/assign-token.ts'
import { loadSigningKeys } from '../../src/delivery/signing-keys.ts'
import { newKeyPair, podUid, privateSet } from '../agent/contract-fixture.ts'

const pair = newKeyPair('k1')
const now = Date.now()
const body = '{"sessionId":"s-1","epoch":3,"text":"ü"}'

void t.test('the token binds pod, session, epoch and body for five minutes', async (t) => {
  const key = (await loadSigningKeys(privateSet(pair))).choose(['k1'])
  if (!key) throw new Error('no key')
  const token = signDelivery(key, { podUid, sessionId: 's-1', epoch: 3, body, now })
  t.same(decodeProtectedHeader(token), { alg: 'EdDSA', kid: 'k1', typ: 'JWT' })
  t.same(
    decodeJwt(token),
    {
      epoch: 3,
      bodyHash: createHash('sha256').update(body, 'utf8').digest('base64url'),
      aud: podUid,
      sub: 's-1',
      exp: Math.floor(now / 1000) + 300,
    },
    "and has no nbf or iat, for the pod's clock may be behind",
  )
  const publicKey = createPublicKey({ key: pair.publicJwk, format: 'jwk' })
  await t.resolves(jwtVerify(token, publicKey, { audience: podUid, algorithms: ['EdDSA'] }))
})

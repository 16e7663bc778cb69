import { createHash } from 'node:crypto'
import { importJWK, type JWK, SignJWT } from 'jose'
import t from 'tap'
import type { AgentError } from '../../src/agent/agent-error.ts'
import { createAssignVerifier } from '../../src/agent/assign-verifier.ts'
import { publicSets, quotesPrivateKey } from '../domain/key-set-table.ts'
import { newKeyPair, podUid, publicSet } from './contract-fixture.ts'

const pair = newKeyPair('k1')
const stranger = newKeyPair('k1')
const body = Buffer.from('{"sessionId":"s-1","epoch":1}')
const hashOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('base64url')
const nowSeconds = Math.floor(Date.now() / 1000)

const goodHeader = { alg: 'EdDSA', kid: 'k1' }
const goodClaims = { aud: podUid, sub: 's-1', epoch: 1, bodyHash: hashOf(body), exp: nowSeconds + 300 }

async function sign(header: object = {}, claims: object = {}, jwk = pair.privateJwk): Promise<string> {
  const key = await importJWK(jwk as JWK, 'EdDSA')
  return new SignJWT({ ...goodClaims, ...claims }).setProtectedHeader({ ...goodHeader, ...header }).sign(key)
}

/** A token of another algorithm cannot be made with jose's signer and this key, so it is put together by hand. */
function unsigned(header: object, signature = ''): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part(header)}.${part(goodClaims)}.${signature}`
}

const verify = await createAssignVerifier(publicSet(newKeyPair('k2'), pair), podUid)

void t.test('a sound token is accepted and its claims returned', async (t) => {
  t.same(await verify(`Bearer ${await sign()}`, body), goodClaims)
  t.ok(await verify(`bearer ${await sign()}`, body), 'the scheme is case-insensitive')
})

void t.test('everything else is 401', async (t) => {
  const refused: Record<string, string | undefined> = {
    'no header': undefined,
    'another scheme': 'Basic Zm9v',
    'not a token': 'Bearer foo',
    'signed by another key of the same id': `Bearer ${await sign({}, {}, stranger.privateJwk)}`,
    'an unknown key id': `Bearer ${await sign({ kid: 'k9' })}`,
    'no key id': `Bearer ${await sign({ kid: undefined })}`,
    'another pod': `Bearer ${await sign({}, { aud: 'other-pod' })}`,
    'no audience': `Bearer ${await sign({}, { aud: undefined })}`,
    expired: `Bearer ${await sign({}, { exp: nowSeconds - 1 })}`,
    'no expiry': `Bearer ${await sign({}, { exp: undefined })}`,
    'no session': `Bearer ${await sign({}, { sub: undefined })}`,
    'no epoch': `Bearer ${await sign({}, { epoch: undefined })}`,
    'another body': `Bearer ${await sign({}, { bodyHash: hashOf(Buffer.from('{}')) })}`,
    'no body hash': `Bearer ${await sign({}, { bodyHash: undefined })}`,
    'alg none': `Bearer ${unsigned({ alg: 'none', kid: 'k1' })}`,
    'alg HS256 with a signature': `Bearer ${unsigned({ alg: 'HS256', kid: 'k1' }, 'AAAA')}`,
  }
  for (const [name, authorization] of Object.entries(refused)) {
    const error = await verify(authorization, body).then(
      () => undefined,
      (error: unknown) => error as AgentError,
    )
    t.equal(error?.code, 'AGENT_UNAUTHENTICATED', name)
    t.equal(error?.status, 401, name)
  }
})

void t.test('one changed byte of the body is another body', async (t) => {
  const changed = Buffer.from(body)
  changed.writeUInt8(changed.readUInt8(0) ^ 1, 0)
  await t.rejects(verify(`Bearer ${await sign()}`, changed), { code: 'AGENT_UNAUTHENTICATED' })
})

void t.test('it verifies with every set that is in order', async (t) => {
  for (const [name, text] of Object.entries(publicSets.good))
    t.ok(await createAssignVerifier(text, podUid), name)
  const dotted = newKeyPair('k.1')
  const verifyDotted = await createAssignVerifier(publicSet(dotted), podUid)
  const token = await sign({ kid: 'k.1' }, {}, dotted.privateJwk)
  t.same(await verifyDotted(`Bearer ${token}`, body), goodClaims)
})

void t.test('an unusable key set stops the start without being quoted', async (t) => {
  for (const [name, text] of Object.entries(publicSets.bad)) {
    const error = await createAssignVerifier(text, podUid).catch((error: unknown) => error as Error)
    t.match((error as Error).message, /^assign keys: /, name)
    t.notOk(quotesPrivateKey((error as Error).message), name)
  }
})

import { createHash, createPrivateKey, type JsonWebKeyInput, sign as signBytes } from 'node:crypto'
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

/** jose's signer refuses critical extensions that it does not know. */
function signedByHand(header: object): string {
  const signed = unsigned(header).slice(0, -1)
  const key = createPrivateKey({ key: pair.privateJwk as JsonWebKeyInput['key'], format: 'jwk' })
  return `${signed}.${signBytes(null, Buffer.from(signed), key).toString('base64url')}`
}

const verify = createAssignVerifier(publicSet(newKeyPair('k2'), pair), podUid)

function refusalOf(authorization: string | undefined, rawBody: Buffer): AgentError | undefined {
  try {
    verify(authorization, rawBody)
    return undefined
  } catch (error) {
    return error as AgentError
  }
}

void t.test('a sound token is accepted and its claims returned', async (t) => {
  t.same(verify(`Bearer ${await sign()}`, body), goodClaims)
  t.ok(verify(`Bearer ${await sign({}, { aud: ['another', podUid] })}`, body), 'one audience of several')
  t.ok(verify(`bearer ${await sign()}`, body), 'the scheme is case-insensitive')
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
    'not valid yet': `Bearer ${await sign({}, { nbf: nowSeconds + 60 })}`,
    'several audiences, none of them this pod': `Bearer ${await sign({}, { aud: ['a', 'b'] })}`,
    'a changed payload': `Bearer ${(await sign()).replace(/\.(.)/, (_all, first) => (first === 'e' ? '.f' : '.e'))}`,
    'critical extensions': `Bearer ${signedByHand({ ...goodHeader, crit: ['b64'] })}`,
    'parts that are no JSON': 'Bearer AAAA.AAAA.AAAA',
    'alg none': `Bearer ${unsigned({ alg: 'none', kid: 'k1' })}`,
    'alg HS256 with a signature': `Bearer ${unsigned({ alg: 'HS256', kid: 'k1' }, 'AAAA')}`,
  }
  for (const [name, authorization] of Object.entries(refused)) {
    const error = refusalOf(authorization, body)
    t.equal(error?.code, 'AGENT_UNAUTHENTICATED', name)
    t.equal(error?.status, 401, name)
  }
})

void t.test('one changed byte of the body is another body', async (t) => {
  const changed = Buffer.from(body)
  changed.writeUInt8(changed.readUInt8(0) ^ 1, 0)
  t.match(refusalOf(`Bearer ${await sign()}`, changed), { code: 'AGENT_UNAUTHENTICATED' })
})

void t.test('it verifies with every set that is in order', async (t) => {
  for (const [name, text] of Object.entries(publicSets.good)) t.ok(createAssignVerifier(text, podUid), name)
  const dotted = newKeyPair('k.1')
  const verifyDotted = createAssignVerifier(publicSet(dotted), podUid)
  const token = await sign({ kid: 'k.1' }, {}, dotted.privateJwk)
  t.same(verifyDotted(`Bearer ${token}`, body), goodClaims)
})

void t.test('an unusable key set stops the start without being quoted', async (t) => {
  for (const [name, text] of Object.entries(publicSets.bad)) {
    let message = ''
    try {
      createAssignVerifier(text, podUid)
    } catch (error) {
      message = (error as Error).message
    }
    t.match(message, /^assign keys: /, name)
    t.notOk(quotesPrivateKey(message), name)
  }
})

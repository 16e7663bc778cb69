import { generateKeyPairSync, hash, sign } from 'node:crypto'
import { request } from 'node:http'
import { assignAlgorithm, assignPath } from '../domain/assign-contract.ts'
import { createAssignVerifier } from './assign-verifier.ts'

interface Stage {
  readonly address: string
  readonly port: number
  readonly podUid: string
}

/** Enough for the engine to have seen every step of an assignment; more gained nothing measurable. */
const times = 3

/**
 * Goes through an assignment before the real one, while nobody waits: an agent takes one assignment in its life, and a
 * first use of WebCrypto, jose and the HTTP server costs tens of milliseconds on a busy machine. Nothing is assigned:
 * the token is signed by a key that exists only here, and the request over HTTP carries none.
 */
export async function rehearseAssignment(stage: Stage): Promise<void> {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'rehearsal' }
  const verify = await createAssignVerifier(JSON.stringify({ keys: [jwk] }), stage.podUid)
  const body = Buffer.from(JSON.stringify({ sessionId: 'rehearsal', epoch: 1 }))
  const header = encode({ alg: assignAlgorithm, kid: 'rehearsal' })
  const exp = Math.floor(Date.now() / 1_000) + 60
  const claims = encode({
    sub: 'rehearsal',
    aud: stage.podUid,
    epoch: 1,
    bodyHash: hash('sha256', body, 'base64url'),
    exp,
  })
  const signature = sign(null, Buffer.from(`${header}.${claims}`), privateKey).toString('base64url')
  for (let time = 0; time < times; time += 1) {
    await verify(`Bearer ${header}.${claims}.${signature}`, body)
    await postUnsigned(stage, body)
  }
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

/** Resolves with whatever is answered: it is refused, as it must be. */
function postUnsigned({ address, port }: Stage, body: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const post = request({
      // A server on all addresses is reached on loopback.
      host: address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address,
      port,
      path: assignPath,
      method: 'POST',
      agent: false,
      headers: { 'content-type': 'application/json', 'content-length': body.length },
    })
    post.on('error', reject)
    post.on('response', (response) => {
      response.resume()
      response.on('end', resolve)
    })
    post.end(body)
  })
}

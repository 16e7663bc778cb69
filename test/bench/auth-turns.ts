import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import type { BenchOptions } from './bench.ts'
import { type GreenroomBed, namespace } from './bench-bed.ts'
import type { BenchResult } from './bench-report.ts'
import type { LoadTarget } from './load-generator.ts'
import { measureTurns, startTurnsBed, turnsSettings } from './open-turns.ts'

/** `claims --auth KIND`: what another credential than a bootstrap key costs an open, by turns with it, in one replica. */

const credentialKinds = ['key', 'oidc', 'serviceaccount'] as const

const audience = 'greenroom-bench'

export async function runAuthTurns(options: BenchOptions, say: (line: string) => void): Promise<BenchResult> {
  const kind = credentialKinds.find((known) => known === options.auth)
  if (!kind) throw new Error(`--auth is one of ${credentialKinds.join(', ')}`)
  const issuer = await startIssuer()
  const turnsBed = await startTurnsBed(Number(options.pool), say)
  const { bed } = turnsBed
  try {
    await bed.startApi({
      GREENROOM_OIDC_ISSUER: issuer.url,
      GREENROOM_OIDC_AUDIENCE: audience,
      GREENROOM_SERVICE_ACCOUNTS: `${namespace}/default=bench sessions:open`,
    })
    const pid = bed.roles.get('api')?.pid
    const bearer = await bearerOf(kind, bed, issuer)
    const other: LoadTarget = { ...bed.target, headers: { authorization: `Bearer ${bearer}` } }
    const turns = [
      { name: 'bootstrap key', target: bed.target, pid },
      { name: kind, target: other, pid },
    ]
    return await measureTurns(turnsBed, turns, turnsSettings(options, 3), say)
  } finally {
    await bed.stop()
    issuer.close()
  }
}

type Issuer = Awaited<ReturnType<typeof startIssuer>>

async function bearerOf(kind: string, bed: GreenroomBed, issuer: Issuer): Promise<string> {
  if (kind === 'oidc') return issuer.token()
  if (kind === 'serviceaccount') {
    const { stdout } = await bed.plane.kubectl([
      'create',
      'token',
      'default',
      '-n',
      namespace,
      '--audience',
      'greenroom',
    ])
    return stdout.trim()
  }
  const answer = await fetch(`${bed.apiUrl}/v1/keys`, {
    method: 'POST',
    headers: { authorization: bed.target.headers.authorization ?? '', 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'bench', projectId: 'bench', scopes: ['sessions:open'] }),
  })
  if (answer.status !== 201) throw new Error(`no key: ${await answer.text()}`)
  return ((await answer.json()) as { key: string }).key
}

async function startIssuer() {
  const { publicKey, privateKey } = await generateKeyPair('RS256')
  const keys = JSON.stringify({
    keys: [{ ...(await exportJWK(publicKey)), kid: 'k', alg: 'RS256', use: 'sig' }],
  })
  const server = createServer((request, response) => {
    const isKeys = request.url === '/jwks'
    response.setHeader('content-type', 'application/json')
    response.end(isKeys ? keys : JSON.stringify({ issuer: url, jwks_uri: `${url}/jwks` }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    token: () =>
      new SignJWT({ scope: 'sessions:open' })
        .setProtectedHeader({ alg: 'RS256', kid: 'k' })
        .setIssuer(url)
        .setAudience(audience)
        .setSubject('bench')
        .setIssuedAt()
        .setExpirationTime('1h')
        .sign(privateKey),
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}

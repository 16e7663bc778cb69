import { createHmac, createPublicKey, hash, type KeyObject, timingSafeEqual, verify } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

/**
 * An agent of its own make, not by the SDK. It keeps the contract, but for the faults that the environment FAULTS names:
 * `faults.ts` lists them with the rule that each breaks.
 */

const {
  FAULTS = '',
  PORT = '8080',
  GREENROOM_POD_UID: podUid = '',
  GREENROOM_AGENT_TYPE: agentType = '',
  GREENROOM_ASSIGN_KEYS = '{"keys":[]}',
  GREENROOM_LISTEN_ADDRESS = '0.0.0.0',
} = process.env
const faults = new Set(FAULTS.split(','))
const has = (fault: string): boolean => faults.has(fault)

interface Jwk {
  readonly kid: string
  readonly x: string
}
interface Body {
  readonly sessionId: string
  readonly epoch: number
  readonly agentType?: string
  readonly sessionToken?: string
  readonly apiUrl?: string
  readonly leaseMs?: number
  readonly livekit?: { readonly url: string; readonly token: string }
  readonly secrets?: Readonly<Record<string, string>>
  readonly metadata?: object
  readonly seal?: boolean
}
interface Claims {
  readonly sub?: string
  readonly aud?: string
  readonly epoch?: number
  readonly bodyHash?: string
  readonly exp?: number
  readonly nbf?: number
}

class Refusal extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

const allKeys = (JSON.parse(GREENROOM_ASSIGN_KEYS) as { keys: readonly Jwk[] }).keys
const knownKeys = has('knows-one-key') ? allKeys.slice(0, 1) : allKeys
let held: Body | undefined
let leaving = false
let sealed = false
let served: object | undefined

function keyOf(jwk: object): KeyObject {
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', ...jwk }, format: 'jwk' })
}

function decode(part: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>
}

function checkSignature(head: string, payload: string, signature: string): void {
  const header = decode(head)
  const jwk = knownKeys.find(({ kid }) => kid === header.kid)
  const signed = Buffer.from(`${head}.${payload}`)
  const mac = Buffer.from(signature, 'base64url')
  if (header.alg === 'none' && has('takes-none')) return
  if (header.alg === 'HS256' && has('takes-hmac') && jwk) {
    const expected = createHmac('sha256', Buffer.from(jwk.x, 'base64url')).update(signed).digest()
    if (mac.length === expected.length && timingSafeEqual(mac, expected)) return
  }
  if (header.alg !== 'EdDSA') throw new Refusal(401, 'algorithm')
  const key = !jwk && has('takes-key-from-token') && header.jwk ? keyOf(header.jwk) : jwk && keyOf(jwk)
  if (!key) throw new Refusal(401, 'unknown key')
  if (!has('no-signature-check') && !verify(null, signed, key, mac)) throw new Refusal(401, 'signature')
}

function checkToken(request: IncomingMessage, raw: Buffer, isEnd: boolean): Claims {
  const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1]
  if (isEnd && has('takes-unsigned-end')) return {}
  if (!token && has('takes-no-token')) return {}
  const [head = '', payload = '', signature = ''] = (token ?? '').split('.')
  if (!token || !head || !payload) throw new Refusal(401, 'no token')
  checkSignature(head, payload, signature)
  const claims = decode(payload) as Claims
  const now = Date.now() / 1_000
  if (claims.aud !== podUid && !has('no-audience-check')) throw new Refusal(401, 'audience')
  if (claims.exp === undefined && !has('no-expiry-needed')) throw new Refusal(401, 'no expiry')
  if (claims.exp !== undefined && claims.exp < now && !has('no-expiry-check'))
    throw new Refusal(401, 'expired')
  if (claims.nbf === undefined && has('needs-nbf')) throw new Refusal(401, 'no nbf')
  if (claims.bodyHash !== hash('sha256', raw, 'base64url') && !has('no-body-hash'))
    throw new Refusal(401, has('quotes-the-token') ? `bad hash in ${token}` : 'body hash')
  return claims
}

function parse(raw: Buffer, claims: Claims, isEnd: boolean): Body {
  let body: Body
  try {
    body = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(raw)) as Body
  } catch {
    if (has('crashes-at-bad-json')) process.exit(9)
    throw new Refusal(400, 'no JSON')
  }
  if (!has('no-form-check')) {
    const isFormed = typeof body.sessionId === 'string' && Number.isInteger(body.epoch)
    if (!isFormed || (!isEnd && typeof body.sessionToken !== 'string')) throw new Refusal(400, 'form')
  }
  if (has('strict-members') && 'partOfALaterVersion' in body) throw new Refusal(400, 'unknown member')
  if (has('needs-secrets') && !isEnd && !body.secrets && !held) throw new Refusal(400, 'no secrets')
  const isOther = claims.sub !== undefined && (claims.sub !== body.sessionId || claims.epoch !== body.epoch)
  if (isOther && !has('no-claims-check')) throw new Refusal(401, 'claims')
  return body
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const limit = has('small-bodies-only') ? 64 * 1024 : 256 * 1024
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes <= limit || has('any-size')) chunks.push(chunk)
  }
  if (bytes > limit && !has('any-size')) throw new Refusal(413, 'too large')
  return Buffer.concat(chunks)
}

async function assign(body: Body): Promise<object> {
  if (sealed && !has('takes-after-seal')) throw new Refusal(503, 'sealed')
  if (leaving && !has('assignable-after-sigterm')) throw new Refusal(503, 'leaving')
  if (body.agentType !== agentType && !has('any-type')) throw new Refusal(409, 'type')
  if (has('checks-late') && !held) await pause(20)
  if (held && has('refuses-repeats')) throw new Refusal(409, 'held')
  if (held && has('compares-bodies') && JSON.stringify(body) !== JSON.stringify(held))
    throw new Refusal(409, 'other')
  const isSession = held?.sessionId === body.sessionId || has('any-session')
  const isEpoch = held?.epoch === body.epoch || has('any-epoch')
  if (held && !(isSession && isEpoch) && !(has('checks-late') && held.epoch === body.epoch && justTaken()))
    throw new Refusal(409, 'other')
  if (!held) begin(body)
  if (has('waits-for-livekit') && body.livekit) await pause(5_000)
  if (has('slow-to-acknowledge')) await pause(2_000)
  return has('wrong-echo') ? { podUid, sessionId: body.sessionId, epoch: 0 } : echo(body)
}

let takenAt = 0
const justTaken = (): boolean => performance.now() - takenAt < 100

function begin(body: Body): void {
  held = body
  takenAt = performance.now()
  if (has('logs-the-body')) console.log(JSON.stringify(body))
  if (has('writes-beside-itself')) writeFileSync(new URL('./broken-agent.state', import.meta.url), 'x')
  if (body.apiUrl) setInterval(() => void renew(body), 300)
}

async function renew({ apiUrl, sessionId, epoch, sessionToken }: Body): Promise<void> {
  const response = await fetch(`${apiUrl}/v1/sessions/${sessionId}/renew`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${has('renews-without-token') ? 'none' : sessionToken}`,
    },
    body: JSON.stringify({ epoch }),
  }).catch(() => undefined)
  if (response?.status === 409 && !has('goes-on-when-stale')) process.exit(0)
}

function confirm(body: Body): object {
  sealed = sealed || (body.seal === true && !held)
  const isHeld = held?.sessionId === body.sessionId && held.epoch === body.epoch
  if (!isHeld && !has('confirms-any')) throw new Refusal(404, 'AGENT_UNASSIGNED')
  return echo(body)
}

function end(body: Body): object {
  const isOther = held?.sessionId !== body.sessionId || held.epoch !== body.epoch
  if (isOther && !has('any-end')) throw new Refusal(409, 'other')
  leaving = true
  if (!has('stays-after-the-end')) setTimeout(() => process.exit(0), 20)
  return echo(body)
}

function echo({ sessionId, epoch }: Body): object {
  return { podUid, sessionId, epoch, confirms: true }
}

async function route(request: IncomingMessage): Promise<readonly [number, object]> {
  switch (`${request.method} ${request.url}`) {
    case 'GET /health':
      return [200, has('wrong-health') ? { ok: true } : { status: 'healthy' }]
    case 'GET /ready': {
      const unready = (leaving && !has('ready-after-sigterm')) || (held && has('unready-while-serving'))
      if (unready) return [503, { status: 'not ready' }]
      return [200, has('wrong-ready') ? { ready: 'yes' } : { status: 'ready' }]
    }
    case 'POST /confirm': {
      const raw = await readBody(request)
      return [200, confirm(parse(raw, checkToken(request, raw, true), true))]
    }
    case 'POST /assign':
    case 'POST /end': {
      const isEnd = request.url === '/end'
      const raw = await readBody(request)
      const body = parse(raw, checkToken(request, raw, isEnd), isEnd)
      return [200, isEnd ? end(body) : await assign(body)]
    }
    default:
      return [has('answers-everything') ? 200 : 404, {}]
  }
}

async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let status = 500
  let content: object = {}
  while (served && served !== request.socket) await pause(5)
  try {
    ;[status, content] = await route(request)
  } catch (error) {
    if (error instanceof Refusal) [status, content] = [error.status, { code: error.message }]
  }
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(content))
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}

process.on('SIGTERM', () => {
  leaving = true
  const slow = has('ready-after-sigterm') || has('assignable-after-sigterm')
  if (!has('ignores-sigterm')) setTimeout(() => process.exit(0), slow ? 1_500 : 20)
})
if (has('no-sigterm-handler')) process.removeAllListeners('SIGTERM')

const server = createServer((request, response) => void respond(request, response))
// Like a server without threads: a connection is served until it ends, and the others wait.
if (has('one-client-at-a-time')) {
  server.on('connection', (socket) => {
    served ??= socket
    socket.on('close', () => {
      if (served === socket) served = undefined
    })
  })
}
if (!has('never-listens'))
  server.listen(Number(PORT), has('listens-everywhere') ? '0.0.0.0' : GREENROOM_LISTEN_ADDRESS)
else setTimeout(() => undefined, 60_000)

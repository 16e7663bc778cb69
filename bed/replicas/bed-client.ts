import { Agent, type IncomingHttpHeaders, request } from 'node:http'
import type { PoolSizingReport } from '../../src/domain/pool-sizing-report.ts'

/** An answer of the session API. `ms` is the time to the end of the body, on a connection that was open already. */
export interface BedAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: AnswerBody
  readonly text: string
  readonly ms: number
}

/** The fields of sessions, pools and problems that tests look at. An answer has only those of its kind. */
export interface AnswerBody {
  readonly id: string
  /** Of a session. A problem has a number here, which tests read from the answer itself. */
  readonly status: string
  readonly endReason?: string
  readonly epoch: number
  readonly agentType: string
  readonly projectId?: string
  readonly roomName: string
  readonly pod: { readonly name: string; readonly uid: string; readonly ip: string }
  readonly lease: { readonly expiresAt: string; readonly renewAfterMs: number }
  readonly livekit?: {
    readonly url: string
    readonly room: string
    readonly token: string
    readonly expiresAt: string
  }
  readonly metadata?: Readonly<Record<string, unknown>>
  readonly createdAt: string
  readonly activeAt?: string
  readonly agentJoinedAt?: string
  readonly endedAt?: string
  readonly agentOverdueAt?: string
  readonly participantJoinedAt?: string
  readonly endDetail?: string
  readonly sessions: readonly AnswerBody[]
  readonly nextCursor?: string
  readonly code: string
  readonly detail: string
  readonly retryAfterMs?: number
  readonly requestId: string
  readonly desired: { readonly min: number; readonly max: number }
  readonly ready: number
  readonly warming: number
  readonly claimed: number
  readonly draining: number
  readonly failed: number
  readonly hitRate?: number
  readonly boundBy?: string
  readonly quotaPods?: number
  readonly yielded?: number
  readonly sizing?: PoolSizingReport
  readonly thin?: Readonly<Record<string, number>>
  readonly problem?: {
    readonly cause: string
    readonly message: string
    readonly count: number
    readonly since: string
    readonly nextTryAt?: string
    readonly remedy: string
  }
  readonly pools: readonly AnswerBody[]
  readonly configuration: {
    readonly seen?: string
    readonly applied?: string
    readonly problems?: readonly string[]
  }
}

interface BedClientOptions {
  readonly url: string
  readonly apiKey?: string
  /** False: a connection of its own for each request. */
  readonly keepAlive?: boolean
  /** For one request, the answer's body included; none unless given. */
  readonly timeoutMs?: number
}

export interface BedCall {
  readonly method: string
  readonly path: string
  /** Sent as JSON; a string is sent as it is. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** Hangs up. */
  readonly signal?: AbortSignal
}

export function createBedClient({ url, apiKey, keepAlive = true, timeoutMs }: BedClientOptions) {
  const agent = new Agent({ keepAlive, maxSockets: 256 })

  function call({ method, path, body, headers, signal }: BedCall): Promise<BedAnswer> {
    const payload = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body)
    return new Promise((resolve, reject) => {
      const begun = performance.now()
      const endings = [...(signal ? [signal] : []), ...(timeoutMs ? [AbortSignal.timeout(timeoutMs)] : [])]
      const sent = request(`${url}${path}`, {
        method,
        agent,
        ...(endings.length > 0 && { signal: AbortSignal.any(endings) }),
        headers: {
          ...(apiKey && { authorization: `Bearer ${apiKey}` }),
          ...(payload !== undefined && {
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(payload),
          }),
          ...headers,
        },
      })
      sent.on('error', reject)
      sent.on('response', (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const ms = performance.now() - begun
          const text = Buffer.concat(chunks).toString()
          const isJson = /json/.test(response.headers['content-type'] ?? '')
          const parsed = isJson && text !== '' ? JSON.parse(text) : {}
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: parsed, text, ms })
        })
      })
      sent.end(payload)
    })
  }

  return {
    call,
    open: (body: object, headers: Record<string, string> = {}) =>
      call({ method: 'POST', path: '/v1/sessions', body, headers }),
    read: (id: string, query = '') => call({ method: 'GET', path: `/v1/sessions/${id}${query}` }),
    end: (id: string, query = '') => call({ method: 'DELETE', path: `/v1/sessions/${id}${query}` }),
    renew: (id: string, epoch: number) =>
      call({ method: 'POST', path: `/v1/sessions/${id}/renew`, body: { epoch } }),
    pool: (agentType: string) => call({ method: 'GET', path: `/v1/pools/${agentType}` }),
    async isReady(): Promise<boolean> {
      try {
        return (await call({ method: 'GET', path: '/readyz' })).status === 200
      } catch {
        // Not listening yet.
        return false
      }
    },
    close: () => agent.destroy(),
  }
}

export type BedClient = ReturnType<typeof createBedClient>

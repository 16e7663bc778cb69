import { type LookupAddress, lookup as resolve } from 'node:dns'
import { request as plainRequest, type RequestOptions } from 'node:http'
import { request as secureRequest } from 'node:https'
import { type BlockList, isIP } from 'node:net'
import { isIn, isPublicAddress } from './public-address.ts'

interface EventPostOptions {
  /** Where webhooks may be besides the internet, and without TLS. */
  readonly allowed: BlockList
  readonly timeoutMs?: number
}

export interface EventPostRequest {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export type EventPostResult =
  | { readonly kind: 'delivered' }
  /** `gone`: the address says that it wants nothing any more. */
  | { readonly kind: 'failed'; readonly reason: string; readonly gone?: true }

export type EventPost = (request: EventPostRequest) => Promise<EventPostResult>

/** What is slower is asked again later; nobody waits for the answer. */
const defaultTimeoutMs = 10_000

class RefusedAddress extends Error {}

/**
 * POSTs to an address that a customer chose. Somebody could choose one inside the cluster, so each connection resolves the
 * name, judges every address that it has, and connects to one of those. Redirects are not followed, and what is answered
 * is not read. It never rejects.
 */
export function createEventPost({ allowed, timeoutMs = defaultTimeoutMs }: EventPostOptions): EventPost {
  function assertAllowed(address: string, isPlain: boolean): void {
    if (isIn(allowed, address)) return
    if (!isPublicAddress(address))
      throw new RefusedAddress(`the address ${address} is not in the internet, and no allowed network has it`)
    if (isPlain) throw new RefusedAddress('without TLS only addresses of allowed networks are taken')
  }

  /** As `dns.lookup`, for the connection itself: what is judged here is what is connected to. */
  function lookupOf(isPlain: boolean): RequestOptions['lookup'] {
    return (hostname, options, callback) => {
      resolve(hostname, { ...options, all: true }, (error, found: LookupAddress[]) => {
        if (error) return callback(error, [])
        try {
          for (const { address } of found) assertAllowed(address, isPlain)
        } catch (refusal) {
          return callback(refusal as Error, [])
        }
        const [first] = found
        if (options.all) callback(null, found)
        else callback(null, first?.address ?? '', first?.family)
      })
    }
  }

  return ({ url, headers, body }) =>
    new Promise((settle) => {
      const { protocol, hostname } = new URL(url)
      const isPlain = protocol === 'http:'
      const literal = hostname.replace(/^\[|\]$/g, '')
      try {
        // A literal address is not looked up.
        if (isIP(literal)) assertAllowed(literal, isPlain)
      } catch (refusal) {
        settle({ kind: 'failed', reason: (refusal as Error).message })
        return
      }
      const send = isPlain ? plainRequest : secureRequest
      const sent = send(url, {
        method: 'POST',
        // A connection of its own, so that every one is judged.
        agent: false,
        lookup: lookupOf(isPlain),
        headers: {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
          'user-agent': 'greenroom',
          ...headers,
        },
      })
      const timer = setTimeout(
        () => sent.destroy(new Error(`no answer within ${timeoutMs / 1_000} s`)),
        timeoutMs,
      )
      const end = (result: EventPostResult): void => {
        clearTimeout(timer)
        settle(result)
        sent.destroy()
      }
      sent.once('response', ({ statusCode = 0 }) => end(resultOf(statusCode)))
      sent.on('error', (error: NodeJS.ErrnoException) => end({ kind: 'failed', reason: reasonOf(error) }))
      sent.end(body)
    })
}

function resultOf(status: number): EventPostResult {
  if (status >= 200 && status < 300) return { kind: 'delivered' }
  if (status === 410) return { kind: 'failed', reason: 'it answered 410: it is gone', gone: true }
  const note = status >= 300 && status < 400 ? '; redirects are not followed' : ''
  return { kind: 'failed', reason: `it answered ${status}${note}` }
}

function reasonOf(error: NodeJS.ErrnoException): string {
  if (error instanceof RefusedAddress || error.code === undefined) return error.message
  return `the connection failed (${error.code})`
}

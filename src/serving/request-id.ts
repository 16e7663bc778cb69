import { randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

/** What proxies and tracing systems send: UUIDs, ULIDs, hexadecimal numbers, base64. */
const form = /^[A-Za-z0-9._:+/=@-]{1,128}$/

/** The id of a request in its answer, in every line of its log and in its problem: the caller's `x-request-id`, or a new one. */
export function requestIdOf({ 'x-request-id': given }: IncomingHttpHeaders): string {
  return typeof given === 'string' && form.test(given) ? given : randomUUID()
}

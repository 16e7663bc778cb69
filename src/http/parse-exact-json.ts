import { isUtf8 } from 'node:buffer'
import { readExactJson } from '../domain/exact-json.ts'
import { GreenroomError } from '../errors.ts'
import type { Service } from '../serving/service.ts'

/**
 * No other media type than JSON, and nothing of it is lost: metadata is kept, handed on and hashed as it was sent. On a
 * usual body of 150 bytes the second look costs 4 µs of an open of 1 ms, on the longest one 0.3 to 11 ms.
 *
 * An empty body under JSON's name is no body: many clients send it with every DELETE.
 */
export function parseExactJsonOnly(app: Service): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    if (body.length === 0 && request.routeOptions.schema?.body === undefined) return done(null, undefined)
    try {
      done(null, exactBody(body as Buffer))
    } catch (error) {
      done(error as GreenroomError)
    }
  })
}

function exactBody(body: Buffer): unknown {
  // Decoding would make one and the same character of all bytes that are wrong.
  if (!isUtf8(body)) throw new GreenroomError('GRN_BAD_JSON', 'The body is not text in UTF-8.')
  const reading = readExactJson(body.toString())
  if (reading.ok) return reading.value
  if (reading.kind === 'syntax') throw new GreenroomError('GRN_BAD_JSON', `The body is ${reading.problem}.`)
  throw new GreenroomError('GRN_LOSSY_JSON', `body${reading.problem}.`)
}

import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { GreenroomError } from '../../src/errors.ts'
import { accepts } from '../../src/http/accepted-media.ts'
import { apiKey, knownId, startApi } from './api-bed.ts'

/** What is refused, as raw bytes over a socket: always problem+json, whatever was sent. */

const refusals: Record<string, GreenroomError> = {
  limited: new GreenroomError('GRN_RATE_LIMITED', undefined, { retryAfterMs: 12_300 }),
  empty: new GreenroomError('GRN_POOL_EMPTY', undefined, { retryAfterMs: 1_000 }),
}
const { app } = await startApi(t, {
  openSession: (request) => Promise.reject(refusals[request.agentType] ?? new Error('a mistake')),
})
await app.listen({ port: 0, host: '127.0.0.1' })
const { port } = app.server.address() as { port: number }

async function raw(text: string) {
  const socket = connect(port, '127.0.0.1')
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.on('error', () => undefined)
  socket.write(text)
  await once(socket, 'close')
  const [head = '', body = ''] = Buffer.concat(chunks).toString().split('\r\n\r\n')
  const [statusLine = '', ...lines] = head.split('\r\n')
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]),
  )
  return { status: Number(statusLine.split(' ')[1]), headers, body }
}

function request(line: string, { headers = [] as string[], body = '' } = {}): string {
  const own = ['host: x', `authorization: Bearer ${apiKey}`, 'connection: close']
  const length = body === '' ? [] : [`content-length: ${Buffer.byteLength(body)}`]
  return [`${line} HTTP/1.1`, ...own, ...length, ...headers, '', body].join('\r\n')
}

const json = ['content-type: application/json']
const open = (agentType: string) => ({ headers: json, body: JSON.stringify({ agentType }) })

const cases: readonly [string, string, number, string, Record<string, string>?][] = [
  ['no such address', request('GET /v1/nothing'), 404, 'GRN_NOT_FOUND'],
  [
    'another method',
    request('PATCH /v1/sessions'),
    405,
    'GRN_METHOD_NOT_ALLOWED',
    { allow: 'GET, HEAD, POST' },
  ],
  [
    'a method whose body nothing reads',
    request('QUERY /v1/sessions'),
    405,
    'GRN_METHOD_NOT_ALLOWED',
    { allow: 'GET, HEAD, POST' },
  ],
  [
    'another method, with a body that is none',
    request('PUT /v1/sessions', { headers: ['content-type: application/xml'], body: '<' }),
    405,
    'GRN_METHOD_NOT_ALLOWED',
  ],
  [
    'another method of an address with an id',
    request(`GET /v1/sessions/${knownId}/renew`),
    405,
    'GRN_METHOD_NOT_ALLOWED',
    { allow: 'POST' },
  ],
  [
    'another method of an escaped address',
    request(`PUT /%761/sessions/${knownId}`),
    405,
    'GRN_METHOD_NOT_ALLOWED',
    { allow: 'DELETE, GET, HEAD' },
  ],
  [
    'another method of a probe',
    request('POST /livez'),
    405,
    'GRN_METHOD_NOT_ALLOWED',
    { allow: 'GET, HEAD' },
  ],
  [
    'a method nobody has',
    request('PROPFIND /v1/pools'),
    405,
    'GRN_METHOD_NOT_ALLOWED',
    { allow: 'GET, HEAD' },
  ],
  [
    'an answer of another type',
    request('GET /v1/pools', { headers: ['accept: text/html'] }),
    406,
    'GRN_NOT_ACCEPTABLE',
  ],
  ['no answer at all', request('GET /v1/pools', { headers: ['accept: */*;q=0'] }), 406, 'GRN_NOT_ACCEPTABLE'],
  [
    'a body that is too large',
    request('POST /v1/sessions', { headers: json, body: `"${'x'.repeat(256 * 1024)}"` }),
    413,
    'GRN_BODY_TOO_LARGE',
  ],
  [
    'a body of another type',
    request('POST /v1/sessions', { headers: ['content-type: text/xml'], body: '<a/>' }),
    415,
    'GRN_UNSUPPORTED_MEDIA_TYPE',
  ],
  [
    'a compressed body',
    request('POST /v1/sessions', { headers: [...json, 'content-encoding: gzip'], body: 'x' }),
    415,
    'GRN_UNSUPPORTED_MEDIA_TYPE',
  ],
  [
    'too many opens',
    request('POST /v1/sessions', open('limited')),
    429,
    'GRN_RATE_LIMITED',
    { 'retry-after': '13' },
  ],
  [
    'headers that are too long',
    request('GET /v1/pools', { headers: [`x-long: ${'x'.repeat(20_000)}`] }),
    431,
    'GRN_HEADERS_TOO_LARGE',
  ],
  ['what is not HTTP', 'hello\r\n\r\n', 400, 'GRN_INVALID_REQUEST'],
  ['a mistake of ours', request('POST /v1/sessions', open('other')), 500, 'GRN_INTERNAL'],
  ['no pod', request('POST /v1/sessions', open('empty')), 503, 'GRN_POOL_EMPTY', { 'retry-after': '1' }],
]

for (const [what, text, status, code, headers = {}] of cases)
  void t.test(`${what}: ${status} ${code}`, async (t) => {
    const answer = await raw(text)
    t.equal(answer.status, status)
    t.match(answer.headers, { 'content-type': /^application\/problem\+json/, ...headers })
    t.match(JSON.parse(answer.body), { code, status, title: /\w/, requestId: /^[0-9a-f-]{36}$/ })
  })

void t.test('an address without credentials is not told from one that is not there', async (t) => {
  for (const line of ['PATCH /v1/sessions', 'GET /v1/nothing']) {
    const answer = await raw(request(line).replace(apiKey, 'nobody'))
    t.equal(answer.status, 401, line)
    t.notOk('allow' in answer.headers)
  }
})

void t.test('what Accept may say', (t) => {
  const media = ['application/json', 'text/csv']
  for (const accept of [
    '',
    '*/*',
    'application/json',
    'Application/JSON; charset=utf-8',
    'application/*',
    'text/csv;q=0.1',
    'text/html, */*;q=0.1',
    'text/html, application/json;q=0.9',
    'application/problem+json',
  ])
    t.ok(accepts(accept, media), accept)
  for (const accept of ['text/html', 'application/json;q=0', 'application/xml', '*/*;q=0.000', ',', 'json'])
    t.notOk(accepts(accept, media), accept)
  t.end()
})

import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import { apiKey, isProblem, knownId, startApi } from './api-bed.ts'

const open = { agentType: 'echo-agent' }

void t.test('bodies that are not one JSON object', async (t) => {
  const api = await startApi(t)
  const post = (body: unknown, headers = {}) => api.call('POST', '/v1/sessions', { body, headers })
  for (const body of ['{', '', 'null x', '{"agentType":', '{"agentType":"echo-agent",}'])
    isProblem(t, await post(body), 'GRN_BAD_JSON', 400, /^The body is not valid JSON/)
  for (const body of ['{"__proto__": {}}', '{"constructor": {"prototype": {}}}'])
    isProblem(t, await post(body), 'GRN_LOSSY_JSON', 400, /__proto__|prototype/)
  for (const body of ['null', '1', '"text"', '[]', '[{"agentType":"echo-agent"}]'])
    isProblem(t, await post(body), 'GRN_INVALID_REQUEST', 400)
  isProblem(t, await post(JSON.stringify(open), { 'content-length': '3' }), 'GRN_INVALID_REQUEST', 400)
  for (const type of ['text/plain', 'application/xml', 'application/x-www-form-urlencoded', 'nonsense'])
    isProblem(
      t,
      await post(JSON.stringify(open), { 'content-type': type }),
      'GRN_UNSUPPORTED_MEDIA_TYPE',
      415,
    )
  const bare = await api.app.inject({
    method: 'POST',
    url: '/v1/sessions',
    headers: { authorization: `Bearer ${apiKey}` },
    payload: Buffer.from('{}'),
  })
  isProblem(t, bare, 'GRN_UNSUPPORTED_MEDIA_TYPE', 415)
  const none = await api.call('POST', '/v1/sessions')
  isProblem(t, none, 'GRN_INVALID_REQUEST', 400)
  const limit = 256 * 1024
  const sized = (bytes: number) => JSON.stringify({ ...open, metadata: { x: 'x'.repeat(bytes) } })
  const frame = sized(0).length
  t.equal((await post(sized(limit - frame))).statusCode, 201, 'exactly 256 KiB is taken')
  isProblem(t, await post(sized(limit - frame + 1)), 'GRN_BODY_TOO_LARGE', 413, /256 KiB/)
  t.equal(api.opened.length, 1, 'no half-done claim')
})

void t.test('a body that would not be kept as it was sent', async (t) => {
  const api = await startApi(t)
  const post = (body: string, headers = {}) => api.call('POST', '/v1/sessions', { body, headers })
  for (const [metadata, hint] of [
    ['{"id": 1546130668394913822}', /^body\/metadata\/id: is a number .*; send it as a string\. /],
    ['{"a": [1e400]}', /^body\/metadata\/a\/0: is a number/],
    ['{"a": 1, "\\u0061": 2}', /^body\/metadata\/a: comes twice in the same object/],
    ['{"__proto__": {"admin": true}}', /^body\/metadata\/__proto__: is a name/],
  ] as const)
    isProblem(t, await post(`{"agentType":"echo-agent","metadata":${metadata}}`), 'GRN_LOSSY_JSON', 400, hint)
  const metadata = '{"a":-0,"b":1.50,"c":9007199254740991,"d":"1546130668394913822"}'
  const kept = await post(`\ufeff{"agentType":"echo-agent","metadata":${metadata}}`)
  t.equal(kept.statusCode, 201)
  t.strictSame(kept.json().metadata, { a: 0, b: 1.5, c: 9007199254740991, d: '1546130668394913822' })
  t.equal(api.opened.length, 1)
})

void t.test('a body that is no text, or is compressed', async (t) => {
  const api = await startApi(t)
  const inject = (payload: Buffer, headers: Record<string, string>) =>
    api.app.inject({
      method: 'POST',
      url: '/v1/sessions',
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json', ...headers },
      payload,
    })
  const body = JSON.stringify({ ...open, metadata: { name: 'é' } })
  isProblem(t, await inject(Buffer.from(body, 'latin1'), {}), 'GRN_BAD_JSON', 400, /not text in UTF-8/)
  for (const coding of ['gzip', 'br', 'deflate, gzip', 'GZIP', 'nonsense']) {
    const answer = await inject(gzipSync(body), { 'content-encoding': coding })
    isProblem(
      t,
      answer,
      'GRN_UNSUPPORTED_MEDIA_TYPE',
      415,
      /is coded as "[^"]+" \(Content-Encoding\).* uncompressed/,
    )
    t.equal(answer.headers['accept-encoding'], 'identity')
  }
  isProblem(t, await inject(gzipSync(body), {}), 'GRN_BAD_JSON', 400, /not text in UTF-8/)
  t.equal((await inject(Buffer.from(body), { 'content-encoding': 'identity' })).statusCode, 201)
  t.equal(api.opened.length, 1)
})

void t.test('fields of the open body', async (t) => {
  const api = await startApi(t)
  const wrong: Record<string, readonly unknown[]> = {
    agentType: [undefined, null, 1, '', 'x'.repeat(64), {}, []],
    projectId: [null, 1, '', 'x'.repeat(201)],
    roomName: [null, 1, '', 'x'.repeat(201)],
    participant: [null, 'ann', {}, { identity: '' }, { identity: 'ann', colour: 'red' }, []],
    metadata: [null, 'text', 1, []],
    secrets: [null, 'text', { KEY: 1 }, { KEY: null }, { 'a\nb': 5 }, [], ['x']],
    leaseSeconds: [null, '60', 0, -1, 1.5, 86_401, 1e300],
    onEmpty: [null, 'perhaps', 'Cold', true],
    waitMs: [null, '5', -1, 60_001, 0.5],
    unknownField: [1],
  }
  for (const [field, values] of Object.entries(wrong)) {
    for (const value of values) {
      const answer = await api.call('POST', '/v1/sessions', { body: { ...open, [field]: value } })
      isProblem(t, answer, 'GRN_INVALID_REQUEST', 400, new RegExp(`body /${field}`))
    }
  }
  for (const agentType of ['nothing', 'Echo-Agent', 'hasOwnProperty', 'a/b']) {
    isProblem(
      t,
      await api.call('POST', '/v1/sessions', { body: { agentType } }),
      'GRN_UNKNOWN_AGENT_TYPE',
      404,
    )
  }
  t.strictSame(api.opened, [])
})

void t.test('text that PostgreSQL cannot store', async (t) => {
  const api = await startApi(t)
  for (const bad of ['a\0b', '\ud800', 'x\udfff']) {
    const bodies = [
      { agentType: bad },
      { ...open, projectId: bad },
      { ...open, roomName: bad },
      { ...open, participant: { identity: bad } },
      { ...open, metadata: { x: [{ y: bad }] } },
      { ...open, metadata: { [bad]: 1 } },
      { ...open, secrets: { KEY: bad } },
    ]
    for (const body of bodies)
      isProblem(
        t,
        await api.call('POST', '/v1/sessions', { body }),
        'GRN_INVALID_REQUEST',
        400,
        /NUL|surrogate/,
      )
  }
  for (const field of ['projectId', 'agentType', 'cursor', 'status'])
    isProblem(t, await api.call('GET', `/v1/sessions?${field}=a%00b`), 'GRN_INVALID_REQUEST', 400, /NUL/)
  const nested = (depth: number) =>
    `{"agentType":"echo-agent","metadata":{"x":${'['.repeat(depth)}${']'.repeat(depth)}}}`
  t.equal((await api.call('POST', '/v1/sessions', { body: nested(20) })).statusCode, 201)
  for (const depth of [40, 120_000])
    isProblem(
      t,
      await api.call('POST', '/v1/sessions', { body: nested(depth) }),
      'GRN_INVALID_REQUEST',
      400,
      /nested/,
    )
})

void t.test('a refusal stays short, whatever keys the caller chose', async (t) => {
  const api = await startApi(t)
  const many = Object.fromEntries(Array.from({ length: 9_000 }, (_, n) => [`key-${n}`, n]))
  for (const body of [
    { ...open, ...many },
    { ...open, ['k'.repeat(200_000)]: 1 },
  ]) {
    const answer = await api.call('POST', '/v1/sessions', { body })
    isProblem(t, answer, 'GRN_INVALID_REQUEST', 400)
    t.ok(answer.body.length < 3_000, String(answer.body.length))
  }
})

void t.test('Idempotency-Key', async (t) => {
  const api = await startApi(t)
  for (const key of ['', 'a b', 'é', 'x'.repeat(256), 'tab\there'])
    isProblem(
      t,
      await api.call('POST', '/v1/sessions', { body: open, headers: { 'idempotency-key': key } }),
      'GRN_INVALID_REQUEST',
      400,
      /idempotency-key/,
    )
  for (const key of ['!', 'x'.repeat(255), 'a:b/c{}'])
    t.equal(
      (await api.call('POST', '/v1/sessions', { body: open, headers: { 'idempotency-key': key } }))
        .statusCode,
      201,
    )
})

void t.test('renew', async (t) => {
  const api = await startApi(t)
  const url = `/v1/sessions/${knownId}/renew`
  for (const body of [
    {},
    { epoch: '3' },
    { epoch: 0 },
    { epoch: -1 },
    { epoch: 1.5 },
    { epoch: null },
    { epoch: 2 ** 31 },
    { epoch: 1e300 },
    { epoch: 3, x: 1 },
  ])
    isProblem(t, await api.call('POST', url, { body }), 'GRN_INVALID_REQUEST', 400, /body/)
  isProblem(t, await api.call('POST', url), 'GRN_INVALID_REQUEST', 400)
  for (const epoch of [1, 2, 4, 2 ** 31 - 1])
    isProblem(t, await api.call('POST', url, { body: { epoch } }), 'GRN_STALE_EPOCH', 409)
  t.equal((await api.call('POST', url, { body: { epoch: 3 } })).statusCode, 200)
})

void t.test('queries', async (t) => {
  const api = await startApi(t)
  const bad = [
    'limit=-1',
    'limit=0',
    'limit=201',
    'limit=ten',
    'limit=1.5',
    'limit=',
    'limit=1e9',
    'limit=1&limit=2',
    'status=LIVE',
    'status=',
    'projectId=',
    `projectId=${'x'.repeat(201)}`,
    'cursor=x',
    'cursor=',
    'cursor=bnVsbA',
    `cursor=${'x'.repeat(201)}`,
    'colour=red',
    '__proto__=1',
    'constructor=1',
    'agentType=a&agentType=b',
  ]
  for (const query of bad)
    isProblem(t, await api.call('GET', `/v1/sessions?${query}`), 'GRN_INVALID_REQUEST', 400)
  for (const query of ['waitMs=-1', 'waitMs=60001', 'waitMs=x', 'waitFor=NEVER', 'x=1'])
    isProblem(t, await api.call('GET', `/v1/sessions/${knownId}?${query}`), 'GRN_INVALID_REQUEST', 400)
  for (const query of ['epoch=0', 'epoch=x', `epoch=${2 ** 31}`, 'wait=perhaps', 'force=true'])
    isProblem(t, await api.call('DELETE', `/v1/sessions/${knownId}?${query}`), 'GRN_INVALID_REQUEST', 400)
  t.strictSame(api.listed, [])
  t.strictSame(api.calls, [], 'nothing was ended')
})

void t.test('whatever is sent, the answer is never a 5xx and always ours', async (t) => {
  const api = await startApi(t)
  const field = fc.constantFrom(
    'agentType',
    'projectId',
    'roomName',
    'participant',
    'metadata',
    'secrets',
    'leaseSeconds',
    'onEmpty',
    'waitMs',
    'epoch',
    'constructor',
    '__proto__',
    'toString',
    '',
  )
  const value = fc.oneof(
    fc.jsonValue(),
    fc.string({ unit: 'binary' }),
    fc.constantFrom('echo-agent', 'wait', 1, 0, -1, 2 ** 31, 1e308, '\0', '\ud800', {}, []),
  )
  const body = fc.oneof(
    fc.array(fc.tuple(field, value)).map((pairs) => JSON.stringify(Object.fromEntries(pairs))),
    fc
      .array(fc.tuple(field, value))
      .map((pairs) => JSON.stringify({ ...Object.fromEntries(pairs), ...open })),
    fc.json(),
    fc.string(),
  )
  const path = fc.oneof(
    fc.constantFrom(
      '/v1/sessions',
      `/v1/sessions/${knownId}`,
      `/v1/sessions/${knownId}/renew`,
      `/v1/sessions/${knownId}/token`,
      '/v1/pools',
      '/v1/pools/echo-agent',
      '/readyz',
      '/metrics',
      '/livez',
    ),
    fc.string().map((text) => `/v1/sessions/${encodeURIComponent(text.toWellFormed())}`),
    fc.string({ unit: fc.constantFrom(...Array.from('/%v1sessionpl.2f;')) }).map((text) => `/v${text}`),
  )
  const key = fc.constantFrom(
    'limit',
    'cursor',
    'status',
    'projectId',
    'waitMs',
    'waitFor',
    'epoch',
    'wait',
    'x',
  )
  const query = fc.array(
    fc.tuple(key, fc.oneof(fc.string(), fc.constantFrom('1', 'true', '%00', '%ff', '%', '99999999999'))),
    { maxLength: 3 },
  )
  const headerText = fc.string({ unit: fc.constantFrom(...Array.from('abcXYZ019 ;=/,"\t')), maxLength: 40 })
  const headers = fc.record(
    {
      'idempotency-key': headerText,
      'content-type': fc.oneof(fc.constant('application/json'), headerText),
      accept: headerText,
      expect: fc.constant('something'),
    },
    { requiredKeys: [] },
  )
  const method = fc.constantFrom('GET', 'POST', 'DELETE', 'PUT', 'HEAD', 'PATCH', 'OPTIONS')
  await fc.assert(
    fc.asyncProperty(method, path, query, body, headers, async (method, path, query, body, headers) => {
      const search = query.map(
        ([name, text]) => `${name}=${text.startsWith('%') ? text : encodeURIComponent(text.toWellFormed())}`,
      )
      const answer = await api.call(method, [path, ...search].join(path.includes('?') ? '&' : '?'), {
        headers: headers as Record<string, string>,
        ...(method !== 'GET' && method !== 'HEAD' && { body }),
      })
      if (answer.statusCode >= 500) throw new Error(`${answer.statusCode} ${answer.body}`)
      if (answer.statusCode >= 400 && method !== 'HEAD') {
        const problem = answer.json() as { code: string; detail: string }
        if (!problem.code.startsWith('GRN_') || problem.code === 'GRN_INTERNAL') throw new Error(answer.body)
      }
    }),
    { numRuns: 1_500 },
  )
})

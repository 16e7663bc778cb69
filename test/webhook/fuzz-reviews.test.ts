import { readFile } from 'node:fs/promises'
import { connect } from 'node:tls'
import fc from 'fast-check'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import t from 'tap'
import { createAdmissionHour } from '../../src/webhook/admission-hour.ts'
import { createWebhookApp } from '../../src/webhook/webhook-app.ts'
import { makeCerts } from '../../webhook-certs/make-certs.ts'
import { keySet, policy, reviewOf, samplePod } from '../admission/pod-samples.ts'

/**
 * Whatever is sent to whatever address: an answer of the protocol. A review gets 200, its own uid and a decision; what is
 * no review a problem+json and a 4xx. A 5xx, a crash or a silence is what the API server could turn into an outage.
 */

// A few bodies are megabytes long.
t.setTimeout(120_000)
const runs = 3_000
const made = await makeCerts(t.testdir(), ['localhost'])
const ca = await readFile(made.caPath, 'utf8')
const errors: string[] = []
const app = createWebhookApp({
  policy: () => policy,
  assignKeys: () => keySet,
  logger: pino({ level: 'error' }, { write: (line: string) => void errors.push(line) }),
  registry: new Registry(),
  tls: { key: await readFile(made.keyPath, 'utf8'), cert: await readFile(made.certPath, 'utf8') },
  checks: () => ({}),
  hour: createAdmissionHour('webhook-1', () => Date.now()),
})
await app.ready()
t.teardown(() => app.close())

const endpoints = [
  '/mutate',
  '/validate',
  '/validate-config',
  '/validate-namespace',
  '/validate-owner',
  '/warn-templates',
] as const
const json = { 'content-type': 'application/json' }

interface Sent {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS' | 'POST'
  readonly url: string
  readonly headers: Record<string, string>
  readonly body: string | undefined
}

async function answered({ method, url, headers, body }: Sent): Promise<number> {
  const answer = await app.inject({ method, url, headers, ...(body !== undefined && { payload: body }) })
  const type = answer.headers['content-type']?.toString() ?? ''
  if (answer.statusCode >= 500) throw new Error(`${answer.statusCode} ${answer.body.slice(0, 300)}`)
  if (answer.statusCode >= 400) {
    if (method !== 'HEAD' && !type.startsWith('application/problem+json'))
      throw new Error(`${type}: ${answer.body}`)
  } else if (method === 'POST') {
    const { apiVersion, kind, response } = JSON.parse(answer.body)
    const { uid } = JSON.parse(body ?? '').request
    if (apiVersion !== 'admission.k8s.io/v1' || kind !== 'AdmissionReview') throw new Error(answer.body)
    if (response.uid !== uid || typeof response.allowed !== 'boolean') throw new Error(answer.body)
    if ('patch' in response !== 'patchType' in response) throw new Error('half a patch')
    if ('patch' in response && url !== '/mutate') throw new Error(`a patch from ${url}`)
    if (!response.allowed && !(response.status.code >= 400 && response.status.code < 500))
      throw new Error(answer.body)
    if (!response.allowed && response.status.message === '') throw new Error('a denial without a word')
  }
  return answer.statusCode
}

const post = (url: string, body: string): Sent => ({ method: 'POST', url, headers: json, body })
const review = (request: unknown, more: object = {}) =>
  JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request, ...more })

const resources = [
  ['', 'pods'],
  ['', 'configmaps'],
  ['', 'namespaces'],
  ['', 'replicationcontrollers'],
  ['', 'podtemplates'],
  ['apps', 'deployments'],
  ['batch', 'cronjobs'],
  ['x', '__proto__'],
  ['constructor', 'prototype'],
] as const
const names = ['agent-pools', 'agent-policy', 'agent-policy-accepted', 'greenroom-assign-keys', 'x', '']
/** Words that mean something here, so that what is made at random gets further than the first check. */
const words = fc.constantFrom(
  ...'metadata name labels annotations spec template jobTemplate containers initContainers volumes env securityContext capabilities drop resources limits data policy.yaml pools.yaml agent-type greenroom.dev/agents constructor toString hasOwnProperty valueOf'.split(
    ' ',
  ),
)
const { anything } = fc.letrec((tie) => ({
  anything: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(null, true, false, 0, -1, Number.MAX_VALUE, '', 'enabled', 'ALL', '\u0000', '\ud800'),
    words,
    fc.double(),
    fc.string({ unit: 'binary' }),
    fc.array(tie('anything'), { maxLength: 4 }),
    fc.dictionary(fc.oneof(words, fc.string()), tie('anything'), { maxKeys: 5 }),
  ),
}))

/** A good object with one or more of its fields, at any depth, taken for something else. */
const damaged = fc
  .tuple(
    fc.constantFrom<unknown>(
      samplePod(),
      { metadata: { name: 'agent-policy' }, data: { 'policy.yaml': JSON.stringify(policy) } },
      { metadata: { name: 'agent-pools' }, data: { 'pools.yaml': 'pools: {}' } },
      { metadata: { name: 'n', labels: { 'greenroom.dev/agents': 'enabled' } } },
      { spec: { template: samplePod() } },
      { spec: { jobTemplate: { spec: { template: samplePod() } } } },
    ),
    fc.array(fc.tuple(fc.nat(), anything), { maxLength: 3 }),
  )
  .map(([object, damages]) =>
    damages.reduce<unknown>((whole, [at, value]) => replaced(whole, at, value), object),
  )

/** The `at`-th place of the tree, counted round, holds `value` instead. */
function replaced(tree: unknown, at: number, value: unknown): unknown {
  const copy: unknown = JSON.parse(JSON.stringify(tree) ?? 'null')
  const places: (() => void)[] = []
  const visit = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return
    for (const key of Object.keys(node)) {
      places.push(() => {
        ;(node as Record<string, unknown>)[key] = value
      })
      visit((node as Record<string, unknown>)[key])
    }
  }
  visit(copy)
  places[at % Math.max(places.length, 1)]?.()
  return copy
}

const request = fc
  .record({
    resource: fc.constantFrom(...resources),
    operation: fc.constantFrom('CREATE', 'UPDATE', 'DELETE', 'CONNECT'),
    subResource: fc.constantFrom(
      '',
      'status',
      'binding',
      'ephemeralcontainers',
      'resize',
      'exec',
      'finalize',
      'new',
    ),
    name: fc.constantFrom(...names),
    object: fc.oneof(fc.constant(null), damaged, anything),
    oldObject: fc.oneof(fc.constant(null), damaged, anything),
    groups: fc.constantFrom([], ['system:nodes'], ['system:masters']),
    username: fc.constantFrom(
      'alice',
      'system:node:x',
      'system:serviceaccount:ai-agents:session-management-sa',
    ),
  })
  .map(({ resource: [group, resource], username, groups, ...rest }) => ({
    ...reviewOf(null),
    ...rest,
    resource: { group, version: 'v1', resource },
    userInfo: { username, groups },
  }))

const wrongEnvelope = fc.oneof(
  fc.tuple(request, anything).map(([good, uid]) => review({ ...good, uid })),
  fc
    .tuple(request, fc.nat(), anything)
    .map(([good, at, value]) => JSON.stringify(replaced({ request: good }, at, value))),
  request.map((good) => review(good, { apiVersion: 'admission.k8s.io/v1beta1' })),
  anything.map((value) => review(value)),
  anything.map((value) => JSON.stringify(value) ?? ''),
  // Truncated, and with a byte too many.
  fc.tuple(request, fc.double({ min: 0, max: 1, noNaN: true })).map(([good, share]) => {
    const whole = review(good)
    return whole.slice(0, Math.floor(whole.length * share))
  }),
  fc.tuple(request, fc.constantFrom('}', '\u0000', ',', '[')).map(([good, more]) => review(good) + more),
  // As text: JSON.stringify would not write the first as a key of its own.
  fc
    .tuple(
      request,
      fc.constantFrom('"__proto__":{"a":1}', '"constructor":{"prototype":{"a":1}}', '"a":1,"a":2'),
    )
    .map(([good, member]) => review(good).replace('"request":{', `"request":{${member},`)),
  fc.string({ unit: 'binary' }),
)

void t.test(`${runs} reviews of every kind and damage, at every endpoint`, async (t) => {
  const statuses = new Map<number, number>()
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...endpoints),
      fc.oneof(
        request.map((good) => review(good)),
        wrongEnvelope,
      ),
      async (url, body) => {
        const status = await answered(post(url, body))
        statuses.set(status, (statuses.get(status) ?? 0) + 1)
      },
    ),
    { numRuns: runs },
  )
  t.ok((statuses.get(200) ?? 0) > runs / 4, `enough were judged: ${JSON.stringify([...statuses])}`)
  t.ok((statuses.get(400) ?? 0) > runs / 10, 'and enough were none')
  t.same(errors, [], 'no review failed inside')
})

void t.test('nesting of 100,000 levels, wherever it stands', async (t) => {
  const levels = 100_000
  const deep = `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`
  const list = `${'['.repeat(levels)}${']'.repeat(levels)}`
  for (const url of endpoints) {
    for (const nest of [deep, list]) {
      const bodies = [
        nest,
        review('X').replace('"X"', nest),
        review({ ...reviewOf('X') }).replace('"X"', nest),
        review(reviewOf({ ...samplePod(), x: 'X' }, { operation: 'UPDATE', oldObject: samplePod() })).replace(
          '"X"',
          nest,
        ),
        review(reviewOf(samplePod({ container: { name: 'X' } }))).replace('"X"', nest),
      ]
      for (const body of bodies) t.equal(await answered(post(url, body)), 400)
      // As the text of a document it is one level of the review.
      const resource = { group: '', version: 'v1', resource: 'configmaps' }
      const object = { metadata: { name: 'agent-pools' }, data: { 'pools.yaml': nest.slice(0, 250_000) } }
      t.equal(await answered(post(url, review(reviewOf(object, { resource })))), 200)
    }
  }
  t.same(errors, [])
})

void t.test('objects of 3 MiB, and more than fits', async (t) => {
  const size = 3 * 1024 * 1024 - 4_096
  const many = Array.from({ length: 20_000 }, (_, index) => ({
    name: `VARIABLE_${index}`,
    value: 'x'.repeat(100),
  }))
  for (const url of endpoints) {
    for (const object of [
      samplePod({ annotations: { big: 'x'.repeat(size) } }),
      samplePod({ annotations: { slashes: '/'.repeat(size) } }),
      samplePod({ container: { env: many } }),
      { metadata: { name: 'agent-pools' }, data: { 'pools.yaml': '- a\n'.repeat(size / 4) } },
    ]) {
      const resource = { group: '', version: 'v1', resource: 'data' in object ? 'configmaps' : 'pods' }
      const body = review(reviewOf(object, { resource, operation: 'UPDATE', oldObject: samplePod() }))
      t.equal(await answered(post(url, body)), 200)
    }
    t.equal(await answered(post(url, review({ x: 'x'.repeat(7 * 1024 * 1024) }))), 413)
  }
  t.same(errors, [])
})

void t.test('wrong content types, methods and addresses', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom<Sent['method'][]>('GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'POST'),
      fc.constantFrom(
        ...endpoints,
        '/livez',
        '/readyz',
        '/metrics',
        '/',
        '/%',
        '/mutate/../x',
        '//',
        '/mutate/%00',
      ),
      fc.oneof(
        fc.constantFrom(
          'text/plain',
          'application/yaml',
          'application/json;',
          'application/json; charset=latin1',
          '',
          'application/json-patch+json',
          'multipart/form-data',
          'application/x-www-form-urlencoded',
          ';',
          '/',
        ),
        fc.stringMatching(/^[\x21-\x7e]{1,20}$/),
      ),
      async (method, url, type) => {
        const body = method === 'GET' || method === 'HEAD' ? undefined : review(reviewOf(samplePod()))
        await answered({ method, url, headers: type === '' ? {} : { 'content-type': type }, body })
      },
    ),
    { numRuns: 500 },
  )
})

/**
 * Bytes on a connection of their own; what comes back until it is closed, in order or not. Node takes the end of what a
 * client says for its going away, so only who wants no answer ends first.
 */
function raw(port: number, bytes: string, last: 'end' | 'write' = 'end'): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  let heard = ''
  const socket = connect({ host: '127.0.0.1', port, ca, servername: 'localhost' }, () => socket[last](bytes))
  socket.setEncoding('utf8').on('data', (text: string) => {
    heard += text
  })
  socket.on('error', () => undefined).on('close', () => resolve(heard))
  return promise
}

void t.test('on the wire: no body, half a body, no HTTP; and the next review is answered', async (t) => {
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as { port: number }
  const head = (more: string) =>
    `POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${more}\r\n`
  const body = review(reviewOf(samplePod()))
  for (const bytes of [
    head('Connection: close\r\n'),
    head('Content-Length: 0\r\nConnection: close\r\n'),
    head('Content-Length: 5000\r\n') + body.slice(0, 100),
    `${head('Transfer-Encoding: chunked\r\nConnection: close\r\n')}zz\r\n`,
    head('Content-Length: 10\r\nContent-Length: 20\r\n'),
    'CONNECT example.org:443 HTTP/1.1\r\nHost: x\r\n\r\n',
    'BREW /mutate HTTP/1.1\r\nHost: x\r\n\r\n',
    `GET /${'x'.repeat(100_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
    '\u0016\u0003\u0001 nothing',
  ]) {
    t.notMatch((await raw(port, bytes)).slice(0, 12), /^HTTP\/1\.1 5/, JSON.stringify(bytes.slice(0, 60)))
  }
  const good = await raw(
    port,
    `${head(`Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n`)}${body}`,
    'write',
  )
  t.match(good, /^HTTP\/1\.1 200 [\s\S]*"allowed":true/)
  t.same(errors, [])
})

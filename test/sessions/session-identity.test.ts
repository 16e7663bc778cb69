import fc from 'fast-check'
import t from 'tap'
import { createSessionIdentity } from '../../src/sessions/session-identity.ts'

const identify = createSessionIdentity('a secret of at least thirty-two bytes')
const request = { projectId: 'p', metadata: { a: 1, b: [1, { c: 2, d: 3 }] }, secrets: { KEY: 's' } }

void t.test('without a key each session is a new one, in order of time', async (t) => {
  const [a, b] = [identify(request, undefined), identify(request, undefined)]
  t.not(a.id, b.id)
  t.equal(a.fingerprint, undefined)
  t.match(a.id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
})

void t.test('a key names one session of its project, whatever the order of the body', async (t) => {
  const a = identify(request, 'k')
  const turned = { secrets: { KEY: 's' }, metadata: { b: [1, { d: 3, c: 2 }], a: 1 }, projectId: 'p' }
  t.same(identify(turned, 'k'), a)
  t.match(a.id, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  t.not(identify(request, 'l').id, a.id)
  t.not(identify({ ...request, projectId: 'q' }, 'k').id, a.id)
  t.not(createSessionIdentity('another secret of thirty-two bytes')(request, 'k').id, a.id)
})

void t.test('another body has another fingerprint and the same id', async (t) => {
  const a = identify(request, 'k')
  for (const changed of [
    { ...request, metadata: { a: 2 } },
    { ...request, secrets: { KEY: 't' } },
    { ...request, metadata: { ...request.metadata, b: [{ c: 2, d: 3 }, 1] } },
  ]) {
    const b = identify(changed, 'k')
    t.equal(b.id, a.id)
    t.not(b.fingerprint, a.fingerprint)
  }
  t.notMatch(a.fingerprint, 's3cret')
})

void t.test('every key gives a UUID', async () => {
  const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
  fc.assert(fc.property(fc.string(), (key) => uuid.test(identify({}, key).id)))
})

void t.test(
  'ids and fingerprints are those of earlier versions: rows and retries outlive an upgrade',
  async (t) => {
    const body = { agentType: 'echo-agent', ...request }
    t.same(identify(body, 'k'), {
      id: '6ec9e1ad-c63e-8d15-bf2e-5acd3917b912',
      fingerprint: 'v4LsKzybMIMpGEOYl4JQSeDjUp8-yyuzrYkN99tDRag',
    })
    const nested = { 2: [{ z: 1, 1: 2 }], é: 'ü', '': true }
    const metadata = { 10: 'ten', 9: 'nine', b: 'x', a: null, '-1': 0, '01': 1, nested }
    const odd: object = { agentType: 'echo-agent', metadata }
    t.same(identify(odd, 'k'), {
      id: 'ed8b0d11-a186-84ce-a8d9-48f0c7ecc34b',
      fingerprint: 'EngnZBDGLrf9r7TGpUjTZ9Li6IN4e4PNTutJe3mVybg',
    })
  },
)

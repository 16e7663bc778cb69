import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import {
  authoritiesIn,
  checkBundle,
  checkPair,
  factsOf,
  namesOf,
} from '../../src/certificates/certificate-facts.ts'
import { makeAuthority, makeLeaf } from '../../src/certificates/x509-signing.ts'

const times = { notBeforeMs: Date.UTC(2030, 0, 1), notAfterMs: Date.UTC(2031, 0, 1) }
const authority = await makeAuthority({ kind: 'authority', name: 'a', ...times })
const leaf = await makeLeaf({ kind: 'leaf', authority, names: ['x.svc', '10.0.0.1'], ...times })

void t.test('facts and names', async (t) => {
  const certificate = checkPair(leaf)
  t.match(factsOf(certificate), { ...times, fingerprint: certificate.fingerprint256, pem: leaf.cert.trim() })
  t.same(namesOf(certificate), ['x.svc', '10.0.0.1'])
  t.same(namesOf(checkPair(authority)), [])
})

void t.test('halves of two pairs, and what is none', async (t) => {
  t.throws(() => checkPair({ cert: leaf.cert, key: authority.key }))
  t.throws(() => checkPair({ cert: 'x', key: leaf.key }))
  // OpenSSL compares only halves of the same kind.
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  t.throws(() => checkPair({ cert: leaf.cert, key }), /belong together/)
})

void t.test('the authorities in a bundle, whatever else is in it', async (t) => {
  const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
  const bundle = `# a comment\n${authority.cert}${leaf.cert}${broken}`
  t.same(
    authoritiesIn(bundle).map(({ fingerprint256 }) => fingerprint256),
    [checkPair(authority).fingerprint256],
  )
  t.same(authoritiesIn('\n'), [])
  checkBundle(authority.cert)
  for (const bad of ['', 'x', bundle, leaf.cert]) t.throws(() => checkBundle(bad), /not one or more/)
})

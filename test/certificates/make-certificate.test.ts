import { X509Certificate } from 'node:crypto'
import t from 'tap'
import { checkPair, isSignedBy, namesOf } from '../../src/certificates/certificate-facts.ts'
import { makeCertificate } from '../../src/certificates/make-certificate.ts'

const hourMs = 3_600_000
// X.509 knows whole seconds.
const nowMs = Math.floor(Date.now() / 1_000) * 1_000
const times = { notBeforeMs: nowMs - hourMs, notAfterMs: nowMs + hourMs }

void t.test('an authority, and a leaf that it signed, as Kubernetes wants them', async (t) => {
  const authority = await makeCertificate({ kind: 'authority', name: 'an authority', ...times })
  const ca = checkPair(authority)
  t.ok(ca.ca)
  t.match(ca.subject, 'CN=an authority')
  t.equal(ca.validFromDate.getTime(), times.notBeforeMs, 'an hour back')
  t.equal(ca.validToDate.getTime(), times.notAfterMs)
  const names = ['agent-webhook.greenroom-system.svc', 'localhost', '127.0.0.1', '::1']
  const pair = await makeCertificate({ kind: 'leaf', authority, names, ...times })
  const leaf = checkPair(pair)
  t.notOk(leaf.ca)
  t.ok(isSignedBy(leaf, ca))
  t.same(namesOf(leaf).slice(0, 3), names.slice(0, 3))
  t.ok(leaf.checkHost('agent-webhook.greenroom-system.svc'))
  t.ok(leaf.checkIP('127.0.0.1') && leaf.checkIP('::1'))
  t.same(leaf.keyUsage, ['1.3.6.1.5.5.7.3.1'], 'serverAuth')
  t.equal(leaf.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1')
  t.not(leaf.serialNumber, new X509Certificate(authority.cert).serialNumber)
  const other = checkPair(await makeCertificate({ kind: 'authority', name: 'an authority', ...times }))
  t.notOk(isSignedBy(leaf, other), 'one of the same name did not sign it')
})

void t.test('what cannot be made is said', async (t) => {
  const authority = { cert: 'rubbish', key: 'rubbish' }
  await t.rejects(makeCertificate({ kind: 'leaf', authority, names: ['a'], ...times }), /could not be made: /)
})

void t.test(
  'the program gets nothing of our environment, and the library stays out of this process',
  async (t) => {
    const loaded = process.memoryUsage().rss
    await makeCertificate({ kind: 'authority', name: 'x', ...times })
    t.ok(process.memoryUsage().rss - loaded < 20 * 1024 * 1024)
  },
)

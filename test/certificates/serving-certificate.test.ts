import { X509Certificate } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import t from 'tap'
import { certificateFiles } from '../../src/certificates/certificate-files.ts'
import { createCertificateMetrics } from '../../src/certificates/certificate-metrics.ts'
import { createServingCertificate } from '../../src/certificates/serving-certificate.ts'
import { makeCerts } from '../../webhook-certs/make-certs.ts'
import { serveWith } from '../webhook/webhook-bed.ts'
import { call } from '../webhook/webhook-client.ts'

const folder = t.testdir({ first: {}, second: {}, mounted: {} })
const name = 'agent-webhook.greenroom-system.svc'
const first = await makeCerts(join(folder, 'first'), [name])
const second = await makeCerts(join(folder, 'second'), [name])
const keyPath = join(folder, 'mounted/tls.key')
const certPath = join(folder, 'mounted/tls.crt')
const copy = async (from: string, to: string): Promise<void> => writeFile(to, await readFile(from))
await copy(first.keyPath, keyPath)
await copy(first.certPath, certPath)

const registry = new Registry()
const logger = pino({ level: 'silent' })
const certificate = await createServingCertificate({
  source: certificateFiles({ keyPath, certPath }),
  logger,
  metrics: createCertificateMetrics(registry),
})
const server = await serveWith(t, certificate, { registry })

/** The fingerprint that a client sees which trusts only this CA; rejects if that did not sign it. */
const seenWith = async (caPath: string): Promise<string | undefined> =>
  (await call({ ...server, path: '/livez', ca: await readFile(caPath, 'utf8') })).fingerprint
const fingerprintOf = async (path: string): Promise<string> =>
  new X509Certificate(await readFile(path, 'utf8')).fingerprint256
const reloads = async (): Promise<string> =>
  registry.getSingleMetricAsString('greenroom_webhook_certificate_reloads_total')

void t.test('a half-swapped or broken pair changes nothing', async (t) => {
  await copy(second.certPath, certPath)
  await certificate.look()
  t.equal(await seenWith(first.caPath), await fingerprintOf(first.certPath), 'certificate without its key')
  await writeFile(certPath, 'not a certificate')
  await certificate.look()
  t.equal(await seenWith(first.caPath), await fingerprintOf(first.certPath), 'garbage')
  t.match(await reloads(), /outcome="refused"\} 2/)
  t.equal(certificate.pair().cert, await readFile(first.certPath, 'utf8'))
})

void t.test('a whole new pair is served at once, connections and TLS 1.3 stay', async (t) => {
  const open = connect({ ...server, ca: await readFile(first.caPath, 'utf8') })
  await new Promise((resolve) => open.once('secureConnect', resolve))
  await copy(second.certPath, certPath)
  await copy(second.keyPath, keyPath)
  await certificate.look()
  t.equal(await seenWith(second.caPath), await fingerprintOf(second.certPath))
  await t.rejects(seenWith(first.caPath))
  t.match(await reloads(), /outcome="taken"\} 1/)
  await certificate.look()
  t.match(await reloads(), /outcome="taken"\} 1/, 'an unchanged pair is not taken again')
  const answered = new Promise<string>((resolve) => open.once('data', (chunk) => resolve(String(chunk))))
  open.write('GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
  t.match(await answered, /^HTTP\/1\.1 200/, 'the connection from before still works')
  open.destroy()
  await t.rejects(
    call({ ...server, path: '/livez', ca: await readFile(second.caPath, 'utf8'), maxVersion: 'TLSv1.2' }),
    'setSecureContext forgets the minimum unless it is told again',
  )
})

void t.test('files are looked at by themselves, and the expiry is a metric', async (t) => {
  const watched = new Registry()
  const other = await createServingCertificate({
    source: certificateFiles({ keyPath, certPath }),
    logger,
    metrics: createCertificateMetrics(watched),
    pollMs: 5,
  })
  t.teardown(() => other.stop())
  other.start()
  await copy(first.certPath, certPath)
  await copy(first.keyPath, keyPath)
  const wanted = await readFile(first.certPath, 'utf8')
  while (other.pair().cert !== wanted) await new Promise((resolve) => setTimeout(resolve, 5))
  const validTo = new X509Certificate(wanted).validToDate.getTime() / 1000
  t.match(
    await watched.getSingleMetricAsString('greenroom_webhook_certificate_expiry_timestamp_seconds'),
    new RegExp(` ${validTo}$`, 'm'),
  )
})

void t.test('without usable files there is no start', async (t) => {
  const start = (paths: { keyPath: string; certPath: string }) =>
    createServingCertificate({
      source: certificateFiles(paths),
      logger,
      metrics: createCertificateMetrics(new Registry()),
    })
  await t.rejects(start({ keyPath: join(folder, 'none'), certPath }))
  await t.rejects(start({ keyPath: second.keyPath, certPath: first.certPath }))
})

void t.test('with nothing to serve yet it answers with a placeholder, and is not ready', async (t) => {
  const offered: { pair?: { key: string; cert: string; authority: string }; error?: Error } = {}
  const metrics = createCertificateMetrics(new Registry())
  const waiting = await createServingCertificate({
    source: {
      async read() {
        if (offered.error) throw offered.error
        return offered.pair
      },
    },
    placeholder: async () => ({
      key: await readFile(first.keyPath, 'utf8'),
      cert: await readFile(first.certPath, 'utf8'),
    }),
    logger,
    metrics,
    pollMs: 5,
  })
  t.teardown(() => waiting.stop())
  t.equal(waiting.ready(), false)
  t.equal(waiting.endsAt(), undefined, 'the placeholder has no end that matters')
  t.equal(waiting.pair().cert, await readFile(first.certPath, 'utf8'))
  offered.error = new Error('the API server is away')
  await waiting.look()
  t.equal(waiting.ready(), false)
  delete offered.error
  offered.pair = {
    key: await readFile(second.keyPath, 'utf8'),
    cert: await readFile(second.certPath, 'utf8'),
    authority: await readFile(second.caPath, 'utf8'),
  }
  waiting.start()
  while (!waiting.ready()) await new Promise((resolve) => setTimeout(resolve, 5))
  t.equal(waiting.pair().cert, offered.pair.cert)
  t.equal(waiting.endsAt(), new X509Certificate(offered.pair.cert).validToDate.getTime())
  const { values } = await metrics.expiresAt.get()
  t.same(new Set(values.map(({ labels }) => labels.certificate)), new Set(['authority', 'serving']))
  delete offered.pair
  await waiting.look()
  t.ok(waiting.ready(), 'what is gone from the source stays in use')
})

void t.test('TLS 1.2 for those who ask for it', async (t) => {
  const files = { keyPath: first.keyPath, certPath: first.certPath }
  const older = await createServingCertificate({
    source: certificateFiles(files),
    minVersion: 'TLSv1.2',
    logger,
    metrics: createCertificateMetrics(new Registry()),
  })
  t.equal(older.tls().minVersion, 'TLSv1.2')
  const { values } = await createCertificateMetrics(new Registry()).expiresAt.get()
  t.same(values, [], 'no expiry in 1970 before there is a certificate')
})

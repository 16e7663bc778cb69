import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { startControlPlane } from '../../bed/servers/control-plane.ts'
import { openPoolsConfigMap } from '../../src/cli/pools/pools-config-map.ts'
import { apiKey, startApi } from '../http/api-bed.ts'
import { startKubeletPortForward } from '../support/kubelet-port-forward.ts'
import { runProgram } from '../support/run-program.ts'

/** What the command line does with a kubeconfig, against the real API server and its RBAC. */

t.setTimeout(240_000)
const folder = await temporaryFolder('cluster-commands')
const plane = await startControlPlane({ folder: folder.path })
t.teardown(async () => {
  await plane.stop()
  await folder.remove()
})
const namespace = 'ai-agents'
await plane.createNamespace(namespace)

async function kubectl(args: readonly string[], input?: object): Promise<string> {
  const { code, stdout, stderr } = await plane.kubectl(
    args,
    input === undefined ? {} : { input: JSON.stringify(input) },
  )
  if (code !== 0) throw new Error(stderr)
  return stdout
}

/** The rights that docs/cli.md names, and nothing else. */
async function userWith(name: string, rules: readonly object[]): Promise<string> {
  const metadata = { name, namespace }
  const apiVersion = 'rbac.authorization.k8s.io/v1'
  await kubectl(['create', '-f', '-'], { apiVersion, kind: 'Role', metadata, rules })
  await kubectl(['create', '-f', '-'], {
    apiVersion,
    kind: 'RoleBinding',
    metadata,
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name }],
  })
  return plane.kubeconfigFor(name)
}

const run = (kubeconfig: string, ...args: string[]) =>
  runProgram('src/cli/greenroom.ts', args, {
    env: { KUBECONFIG: kubeconfig, GREENROOM_API_KEY: apiKey, HOME: '/nowhere' },
  })

const { app } = await startApi(t)
await app.listen({ port: 0, host: '127.0.0.1' })
const { port: apiPort } = app.server.address() as { port: number }
const kubelet = await startKubeletPortForward(
  {
    cert: await readFile(plane.webhook.certPath, 'utf8'),
    key: await readFile(plane.webhook.keyPath, 'utf8'),
  },
  apiPort,
)
t.teardown(() => kubelet.close())
const looks = [{ apiGroups: [''], resources: ['pods'], verbs: ['list'] }]
const forwards = [{ apiGroups: [''], resources: ['pods/portforward'], verbs: ['get', 'create'] }]
const looker = await userWith('looker', looks)
const caller = await userWith('caller', [...looks, ...forwards])
const nobody = await plane.kubeconfigFor('nobody')

void t.test('without a session server in the cluster, it says where it looked', async (t) => {
  t.match(await run(caller, 'pools'), {
    code: 6,
    stdout: '',
    stderr:
      /^GRN_SERVER_NOT_FOUND: No pod with the label greenroom\.dev\/component=session-management-server is in namespace ai-agents\./,
  })
})

void t.test('the server is found by the kubeconfig, with the rights of docs/cli.md', async (t) => {
  await kubectl(['create', '-f', '-'], { apiVersion: 'v1', kind: 'Node', metadata: { name: 'local' } })
  await kubectl([
    'patch',
    'node',
    'local',
    '--subresource=status',
    '--type=merge',
    '-p',
    JSON.stringify({
      status: {
        addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
        daemonEndpoints: { kubeletEndpoint: { Port: kubelet.port } },
      },
    }),
  ])
  await kubectl(['create', '-f', '-'], {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: 'server-1',
      namespace,
      labels: { 'greenroom.dev/component': 'session-management-server' },
    },
    spec: { nodeName: 'local', containers: [{ name: 'server', image: 'greenroom:1' }] },
  })
  t.match(await run(caller, 'pools'), { code: 6, stderr: /No Ready pod/ })
  await kubectl([
    'patch',
    'pod',
    'server-1',
    '-n',
    namespace,
    '--subresource=status',
    '--type=merge',
    '-p',
    JSON.stringify({
      status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
    }),
  ])
  const [found, session, forbidden, unknown] = await Promise.all([
    run(caller, 'pools', '-o', 'name'),
    run(caller, 'sessions', 'open', 'echo-agent', '-o', 'jsonpath={.livekit.url}'),
    run(looker, 'pools'),
    run(nobody, 'pools'),
  ])
  t.match(found, { code: 0, stdout: 'pool/echo-agent\n', stderr: '' })
  t.match(session, { code: 0, stdout: 'ws://livekit\n' })
  t.match(kubelet.seen, [/^\/portForward\/ai-agents\/server-1/])
  t.match(forbidden, { code: 5, stderr: /^GRN_CLUSTER_FORBIDDEN: pod ai-agents\/server-1 .*portforward/ })
  t.match(unknown, { code: 5, stderr: /^GRN_CLUSTER_FORBIDDEN: the pods of namespace ai-agents/ })
  kubelet.close()
})

const text = `# Ours. Keep the comments.
pools:
  echo-agent:
    template: { image: "greenroom:1" } # never latest
    min: 2 # enough
    max: 10
`
const poolsYaml = async () => {
  const json = await kubectl(['get', 'configmap', 'agent-pools', '-n', namespace, '-o', 'json'])
  return (JSON.parse(json) as { data: { 'pools.yaml': string } }).data['pools.yaml']
}

void t.test('set, freeze and thaw show the difference and write it with the own rights', async (t) => {
  await kubectl(['create', '-f', '-'], {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'agent-pools', namespace },
    data: { 'pools.yaml': text },
  })
  const rule = { apiGroups: [''], resources: ['configmaps'], resourceNames: ['agent-pools'] }
  const writer = await userWith('writer', [{ ...rule, verbs: ['get', 'patch'] }])
  const reader = await userWith('reader', [{ ...rule, verbs: ['get'] }])
  const set = ['pools', 'set', 'echo-agent', '--min', '5', '--max', '40']
  const dry = await run(writer, ...set, '--dry-run')
  t.match(dry, { code: 0, stderr: /Nothing is written/ })
  t.match(
    dry.stdout,
    /^ConfigMap ai-agents\/agent-pools\n[^]*- {5}min: 2 # enough\n- {5}max: 10\n\+ {5}min: 5 # enough\n\+ {5}max: 40\n/,
  )
  t.equal(await poolsYaml(), text)
  t.match(await run(writer, ...set), { code: 2, stderr: /Nobody can be asked here: give --yes/ })
  t.match(await run(writer, ...set, '--yes'), { code: 0, stderr: /^Written/ })
  t.equal(await poolsYaml(), text.replace('min: 2', 'min: 5').replace('max: 10', 'max: 40'))
  t.match(await run(writer, ...set, '--yes'), { code: 0, stderr: /^Nothing to change/ })
  t.equal((await run(writer, 'pools', 'freeze', 'pool/echo-agent', '-y')).code, 0)
  t.match(parse(await poolsYaml()), { pools: { 'echo-agent': { frozen: true, min: 5 } } })
  t.equal((await run(writer, 'pools', 'thaw', 'echo-agent', '-y')).code, 0)
  t.match(parse(await poolsYaml()), { pools: { 'echo-agent': { frozen: false } } })
  t.match(await poolsYaml(), /# never latest/)
  for (const [kubeconfig, args, outcome] of [
    [writer, ['set', 'nobody', '--min', '1', '-y'], { code: 3, stderr: /^GRN_UNKNOWN_AGENT_TYPE/ }],
    [
      writer,
      ['set', 'echo-agent', '--min', '99', '-y'],
      { code: 2, stderr: /^GRN_INVALID_POOLS: .*more than max/ },
    ],
    [writer, ['set', 'echo-agent', '-y'], { code: 2, stderr: /Give --min or --max/ }],
    [
      reader,
      ['freeze', 'echo-agent', '-y'],
      { code: 5, stderr: /^GRN_CLUSTER_FORBIDDEN: .*was not written/ },
    ],
    [nobody, ['freeze', 'echo-agent', '-y'], { code: 5, stderr: /^GRN_CLUSTER_FORBIDDEN: .*not be read/ }],
  ] as const)
    t.match(await run(kubeconfig, 'pools', ...args), outcome, args.join(' '))
})

void t.test('what somebody else wrote meanwhile is not lost', async (t) => {
  using document = await openPoolsConfigMap({ kubeconfig: plane.kubeconfigPath })
  const before = await document.read()
  const theirs = JSON.stringify({ data: { 'pools.yaml': `${before.text}# theirs\n` } })
  await kubectl(['patch', 'configmap', 'agent-pools', '-n', namespace, '--type=merge', '-p', theirs])
  await t.rejects(document.write(before, '# mine\n', { isDryRun: false }), { code: 'GRN_DOCUMENT_CHANGED' })
  t.match(await poolsYaml(), /# theirs\n$/)
})

void t.test('another context of the kubeconfig is taken', async (t) => {
  const kubeconfig = parse(await readFile(plane.kubeconfigPath, 'utf8')) as {
    contexts: { name: string }[]
    'current-context': string
  }
  const path = join(folder.path, 'two-contexts')
  const name = kubeconfig['current-context']
  await writeFile(path, JSON.stringify({ ...kubeconfig, 'current-context': 'away' }))
  t.match(await run(path, 'pools', 'freeze', 'echo-agent', '--dry-run'), {
    code: 2,
    stderr: /lacks its current context/,
  })
  t.match(await run(path, 'pools', 'freeze', 'echo-agent', '--dry-run', '--context', name), { code: 0 })
})

import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { root } from '../../bed/repository.ts'
import { freePort } from '../../bed/servers/free-port.ts'
import { shellCheck } from '../support/shell-check.ts'
import { startStubs } from './k8s-stubs.ts'

/** scripts/start-k8s.sh and its fellows, with stubs for every program that they run. */

const noForward = ['--no-forward']
const inOrder = (calls: readonly string[], wanted: readonly string[]): readonly string[] => {
  let from = 0
  return wanted.filter((start) => {
    const at = calls.findIndex((call, index) => index >= from && call.startsWith(start))
    if (at >= 0) from = at + 1
    return at < 0
  })
}

void t.test('minikube: the seven steps in order', async (t) => {
  const stubs = await startStubs(t)
  const { code, output } = await stubs.run('start-k8s.sh', ...noForward)
  t.equal(code, 0, output)
  t.match(output, /1\/7[^]*2\/7[^]*3\/7[^]*4\/7[^]*5\/7[^]*6\/7[^]*7\/7/)
  t.strictSame(
    inOrder(await stubs.calls(), [
      'docker info',
      'minikube status',
      'minikube start --driver=docker --cpus=4 --memory=8192',
      'kubectl --context minikube get --raw /readyz',
      'minikube docker-env',
      'docker buildx imagetools inspect node:26-bookworm-slim',
      'docker build --build-arg NODE_DIGEST=sha256:stub -t greenroom:',
      'docker tag greenroom:0.1.0 session-management-server:latest',
      'docker tag greenroom:0.1.0 conversational-ai-server:latest',
      'kubectl --context minikube apply --server-side -f -',
      'npm run -s --prefix',
      'kubectl --context minikube apply --server-side --force-conflicts -k',
      'kubectl --context minikube rollout status statefulset.apps/postgres -n ai-agents',
      'kubectl --context minikube rollout status deployment.apps/session-management-server -n ai-agents',
      'kubectl --context minikube rollout status deployment.apps/agent-webhook -n greenroom-system',
      'kubectl --context minikube wait pods -n ai-agents -l greenroom.dev/state=idle',
    ]),
    [],
  )
})

void t.test('kind, k3s and current: the image gets in as each needs it, the context is named', async (t) => {
  const wanted = {
    kind: [
      'kind create cluster --name greenroom',
      'docker build',
      'kind load docker-image greenroom:0.1.0',
      'kubectl --context kind-greenroom apply',
    ],
    k3s: [
      'docker build',
      'docker save greenroom:0.1.0',
      'kubectl --kubeconfig /etc/rancher/k3s/k3s.yaml apply',
    ],
    current: ['kubectl get --raw /readyz', 'kubectl apply'],
  }
  for (const [driver, calls] of Object.entries(wanted)) {
    const stubs = await startStubs(t)
    const { code, output } = await stubs.run('start-k8s.sh', '--driver', driver, ...noForward)
    t.equal(code, 0, output)
    const made = await stubs.calls()
    t.strictSame(inOrder(made, calls), [], driver)
    if (driver === 'current')
      t.notOk(
        made.some((call) => call.startsWith('docker')),
        'no Docker',
      )
    if (driver === 'k3s') t.ok(made.includes('k3s ctr images import -'))
  }
})

void t.test('each failure is one sentence with the next step, and the next run goes on', async (t) => {
  const failures = [
    ['minikube', 'docker info', /Docker is not running\.\n {2}Next: start Docker/],
    ['minikube', 'minikube start*', /minikube did not start\.\n {2}Next: give Docker 4 CPUs/],
    ['minikube', 'kubectl *get --raw*', /does not answer .*\n {2}Next: minikube delete/],
    ['minikube', 'docker buildx*', /digest of node.* could not be read\.\n {2}Next: .*NODE_DIGEST/],
    ['minikube', 'docker build -*', /The image was not built\.\n {2}Next: /],
    ['minikube', 'kubectl *get secret session*', /Secret session-management-server could not be read\.\n/],
    [
      'minikube',
      'kubectl *apply --server-side --force-conflicts -f -',
      /Secret postgres was not made\.\n {2}Next: /,
    ],
    ['minikube', 'npm run*', /key that signs deliveries was not made\.\n {2}Next: npm ci/],
    ['minikube', 'kubectl *apply *-k *', /was not applied\.\n {2}Next: /],
    [
      'minikube',
      'kubectl *rollout status statefulset*',
      /statefulset.apps\/postgres is not ready after 300 s\.\n {2}Next: kubectl --context minikube describe/,
    ],
    ['kind', 'kind create*', /kind made no cluster\.\n {2}Next: kind delete cluster/],
    ['kind', 'kind load*', /kind did not take the image\.\n {2}Next: /],
    ['k3s', 'k3s ctr*', /k3s did not take the image\.\n {2}Next: /],
    ['current', 'kubectl get --raw*', /does not answer kubectl\.\n {2}Next: kubectl config get-contexts/],
  ] as const
  for (const [driver, failing, message] of failures) {
    const stubs = await startStubs(t)
    await stubs.write('failing', `${failing}\n`)
    const failed = await stubs.run('start-k8s.sh', '--driver', driver, ...noForward)
    t.equal(failed.code, 1, failing)
    t.match(failed.output, message)
    t.equal(failed.output.split('Error: ').length, 2, 'one error')
    await stubs.write('failing', '')
    const resumed = await stubs.run('start-k8s.sh', '--driver', driver, ...noForward)
    t.equal(resumed.code, 0, resumed.output)
  }
})

void t.test('what is missing is named; minikube is fetched and must have the published digest', async (t) => {
  for (const [program, driver, message] of [
    ['docker', 'minikube', /Docker is not installed\./],
    ['kubectl', 'minikube', /kubectl is not installed\./],
    ['kind', 'kind', /kind is not installed\./],
    ['k3s', 'k3s', /k3s is not installed\./],
  ] as const) {
    const stubs = await startStubs(t, { without: [program] })
    const { code, output } = await stubs.run('start-k8s.sh', '--driver', driver, ...noForward)
    t.equal(code, 1)
    t.match(output, message)
  }
  const stubs = await startStubs(t, { without: ['minikube'] })
  const { code, output } = await stubs.run('start-k8s.sh', ...noForward)
  t.equal(code, 1)
  t.match(output, /The minikube that was fetched is not the published one\./)
  t.ok((await stubs.calls()).some((call) => call.includes('releases/latest/download/minikube-linux-')))
})

void t.test('a second run starts, makes and changes nothing that is there', async (t) => {
  const stubs = await startStubs(t)
  await stubs.run('start-k8s.sh', ...noForward)
  await stubs.write('calls', '')
  await stubs.write(
    'kept-session-management-server-GREENROOM_API_KEYS',
    Buffer.from('the key of before').toString('base64'),
  )
  await stubs.write('applied', '')
  t.equal((await stubs.run('start-k8s.sh', ...noForward)).code, 0)
  t.notOk((await stubs.calls()).some((call) => call.startsWith('minikube start')))
  t.match(
    await stubs.read('applied'),
    `GREENROOM_API_KEYS: ${Buffer.from('the key of before').toString('base64')}\n`,
  )
})

void t.test('a Secret that has changed starts the session server again', async (t) => {
  const stubs = await startStubs(t)
  const restart = 'kubectl --context minikube rollout restart deployment/session-management-server'
  const restarts = async () => (await stubs.calls()).filter((call) => call.startsWith(restart)).length
  await stubs.run('start-k8s.sh', ...noForward)
  t.equal(await restarts(), 0, 'not where nothing was there')
  await stubs.write('changing', '')
  t.equal((await stubs.run('start-k8s.sh', ...noForward)).code, 0)
  t.equal(await restarts(), 1)
})

void t.test('a dry run runs nothing', async (t) => {
  for (const driver of ['minikube', 'kind', 'k3s', 'current']) {
    const stubs = await startStubs(t)
    const { code, output } = await stubs.run('start-k8s.sh', '--driver', driver, '--dry-run')
    t.equal(code, 0, output)
    t.match(output, /7\/7/)
    for (const script of ['stop-k8s.sh', 'delete-k8s.sh'])
      t.equal((await stubs.run(script, '--driver', driver, '--dry-run')).code, 0)
    t.strictSame(await stubs.calls(), [])
  }
})

void t.test('ports are forwarded, kept, and ended by stop-k8s.sh; a port in use is named', async (t) => {
  const stubs = await startStubs(t)
  const ports = [await freePort(), await freePort(), await freePort()].map(String)
  const flags = ['--api-port', '--try-port', '--livekit-port'].flatMap((flag, n) => [flag, ports[n] ?? ''])
  const script = stubs.spawnScript('start-k8s.sh', flags)
  const ended = once(script, 'close')
  let output = ''
  script.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  await until(
    'four forwards',
    async () => (await stubs.calls()).filter((call) => call.includes(' port-forward ')).length === 4,
  )
  t.ok(
    (await stubs.calls()).some((call) => call.endsWith('svc/livekit 7881:7881')),
    'media, at the port that LiveKit names',
  )
  t.match(
    output,
    new RegExp(`http://localhost:${ports[0]}[^]*localhost:${ports[1]}/try[^]*ws://localhost:${ports[2]}`),
  )
  t.match(await stubs.calls(), [/./])
  const pids = (await readFile(join(stubs.state, 'forwards'), 'utf8')).trim().split('\n').map(Number)
  t.equal(pids.length, 4)
  t.equal((await stubs.run('stop-k8s.sh')).code, 0)
  t.ok((await stubs.calls()).includes('minikube stop'), 'the driver is remembered')
  await ended
  const forwarding = (await stubs.read('forwarding')).trim().split('\n').map(Number)
  t.ok(forwarding.length >= 3)
  await until('all ended', () => [...pids, ...forwarding].every((pid) => !isAlive(pid)))

  const { createServer } = await import('node:net')
  const server = createServer().listen(Number(ports[0]), '127.0.0.1')
  await once(server, 'listening')
  t.match(
    (await stubs.run('start-k8s.sh', ...flags)).output,
    new RegExp(`Port ${ports[0]} of this machine is in use\\.`),
  )
  server.close()
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

void t.test('delete: asks, takes the webhooks first, and leaves clusters of others', async (t) => {
  const stubs = await startStubs(t)
  const asked = await stubs.run('delete-k8s.sh', '--driver', 'current')
  t.equal(asked.code, 1)
  t.match(asked.output, /Nothing was deleted\./)
  t.strictSame(await stubs.calls(), [])
  t.equal((await stubs.run('delete-k8s.sh', '--driver', 'current', '--yes')).code, 0)
  t.strictSame(
    inOrder(await stubs.calls(), [
      'kubectl delete mutatingwebhookconfiguration agent-webhook',
      'kubectl delete validatingwebhookconfiguration agent-webhook',
      'kubectl delete namespace ai-agents greenroom-system',
    ]),
    [],
  )
  t.match(
    (await stubs.run('delete-k8s.sh', '--driver', 'current', '--cluster', '--yes')).output,
    /is not ours to delete\./,
  )
  t.equal((await stubs.run('delete-k8s.sh', '--driver', 'kind', '--cluster', '--yes')).code, 0)
  t.ok((await stubs.calls()).includes('kind delete cluster --name greenroom'))
})

void t.test('nothing in the scripts needs a bash newer than 3.2, the one of macOS', async (t) => {
  for (const name of ['k8s-steps', 'k8s-secrets', 'start-k8s', 'stop-k8s', 'delete-k8s']) {
    const text = await readFile(join(root, `scripts/${name}.sh`), 'utf8')
    t.notMatch(
      text,
      /declare -[An]|local -[An]|mapfile|readarray|\$\{\w+(,,|\^\^|@)|\|&|&>>|coproc|wait -n|;;&|;&\n/,
      name,
    )
  }
})

void t.test('shellcheck finds nothing', async (t) => {
  const names = (await readdir(join(root, 'scripts'))).filter((name) => name.endsWith('.sh'))
  t.equal(shellCheck(names.map((name) => join(root, 'scripts', name))), '')
})

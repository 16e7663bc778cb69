import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import {
  ApiException,
  CoreV1Api,
  type V1Container,
  type V1Pod,
  type V1PodSpec,
} from '@kubernetes/client-node'
import t from 'tap'
import { startControlPlane } from '../support/control-plane.ts'
import type { KubeletEvent } from '../support/process-kubelet/kubelet-event.ts'
import { startProcessKubelet } from '../support/process-kubelet/process-kubelet.ts'
import { isAlive } from '../support/processes.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/until.ts'

const support = fileURLToPath(new URL('../support/', import.meta.url))
const folder = await temporaryFolder('kubelet')
const plane = await startControlPlane({ folder: folder.path })
const events: KubeletEvent[] = []
const kubelet = await startProcessKubelet({
  kubeconfigPath: plane.kubeconfigPath,
  images: { 'test-image': { workingDir: support }, 'root-image': { workingDir: support, user: 0 } },
  folder: folder.path,
  restartBackoffMs: 100,
  onEvent: (event) => events.push(event),
})
t.teardown(async () => {
  await kubelet.stop()
  await plane.stop()
  await folder.remove()
})

const api = plane.admin().makeApiClient(CoreV1Api)
const namespace = 'default'
await api.createNamespacedSecret({
  namespace,
  body: { metadata: { name: 'keys' }, stringData: { token: 'from the secret' } },
})
await api.createNamespacedConfigMap({
  namespace,
  body: { metadata: { name: 'settings' }, data: { MODE: 'from the map', OTHER: 'x' } },
})

const http = (path: string) => ({ httpGet: { path, port: 8080 }, periodSeconds: 1 })
const program = ['node', 'process-kubelet/test-image.ts']

async function create(container: Partial<V1Container>, spec: Partial<V1PodSpec> = {}): Promise<V1Pod> {
  return api.createNamespacedPod({
    namespace,
    body: {
      metadata: { generateName: 'p-', labels: { colour: 'green' }, annotations: { note: 'hello' } },
      spec: {
        restartPolicy: 'Never',
        automountServiceAccountToken: false,
        containers: [{ name: 'agent', image: 'test-image', command: program, ...container }],
        ...spec,
      },
    },
  })
}

async function read({ metadata }: V1Pod): Promise<V1Pod | undefined> {
  try {
    const pod = await api.readNamespacedPod({ namespace, name: metadata?.name ?? '' })
    return pod.metadata?.uid === metadata?.uid ? pod : undefined
  } catch (error) {
    if (error instanceof ApiException && error.code === 404) return undefined
    throw error
  }
}

const conditionOf = (pod: V1Pod | undefined, type: string) =>
  pod?.status?.conditions?.find((condition) => condition.type === type)?.status
const agentOf = (pod: V1Pod) => pod.status?.containerStatuses?.[0]

function untilPod(pod: V1Pod, what: string, check: (pod: V1Pod) => boolean | undefined): Promise<V1Pod> {
  return until(`pod ${pod.metadata?.name}: ${what}`, async () => {
    const now = await read(pod)
    return now && check(now) ? now : undefined
  })
}
const untilReady = (pod: V1Pod) => untilPod(pod, 'Ready', (now) => conditionOf(now, 'Ready') === 'True')
const untilWaiting = (pod: V1Pod, reason: string) =>
  untilPod(pod, reason, (now) => agentOf(now)?.state?.waiting?.reason === reason)
const untilGone = (pod: V1Pod) => until(`${pod.metadata?.name} is gone`, async () => !(await read(pod)))

async function remove(pod: V1Pod, gracePeriodSeconds?: number): Promise<void> {
  const name = pod.metadata?.name ?? ''
  await api.deleteNamespacedPod({
    namespace,
    name,
    ...(gracePeriodSeconds !== undefined && { gracePeriodSeconds }),
  })
}

function pidOf(pod: V1Pod): number {
  const started = events.findLast(
    (event) => event.kind === 'container-started' && event.podUid === pod.metadata?.uid,
  )
  return started?.kind === 'container-started' ? started.pid : 0
}

void t.test('a pod runs, is Ready and has its environment', async (t) => {
  const pod = await create(
    {
      args: ['$(GREETING)', '$(UNKNOWN)', '$$(GREETING)'],
      env: [
        { name: 'GREETING', value: 'hi $(NAME)' },
        { name: 'NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
        { name: 'LATER', value: 'hi $(NAME)' },
        { name: 'UID_', valueFrom: { fieldRef: { fieldPath: 'metadata.uid' } } },
        { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
        { name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
        { name: 'COLOUR', valueFrom: { fieldRef: { fieldPath: "metadata.labels['colour']" } } },
        { name: 'NOTE', valueFrom: { fieldRef: { fieldPath: "metadata.annotations['note']" } } },
        { name: 'TOKEN', valueFrom: { secretKeyRef: { name: 'keys', key: 'token' } } },
        { name: 'NONE', valueFrom: { secretKeyRef: { name: 'keys', key: 'none', optional: true } } },
        { name: 'MAP', valueFrom: { configMapKeyRef: { name: 'settings', key: 'MODE' } } },
      ],
      envFrom: [
        { prefix: 'ALL_', configMapRef: { name: 'settings' } },
        { secretRef: { name: 'absent', optional: true } },
      ],
      startupProbe: http('/live'),
      readinessProbe: http('/ready'),
      livenessProbe: http('/live'),
      volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }],
    },
    {
      securityContext: { runAsUser: 1000, fsGroup: 1000, runAsNonRoot: true },
      volumes: [{ name: 'tmp', emptyDir: {} }],
    },
  )
  const ready = await untilReady(pod)
  t.equal(ready.spec?.nodeName, 'local')
  t.equal(ready.status?.phase, 'Running')
  for (const type of ['PodScheduled', 'Initialized', 'ContainersReady']) {
    t.equal(conditionOf(ready, type), 'True', type)
  }
  const ip = ready.status?.podIP ?? ''
  t.match(ip, /^127\./)
  t.match(agentOf(ready), { ready: true, started: true, restartCount: 0, containerID: /^process:\/\/.{64}$/ })

  const answer = await fetch(`http://${ip}:8080/env`)
  const { env, args, uid } = (await answer.json()) as {
    env: Record<string, string>
    args: string[]
    uid: number
  }
  t.match(env, {
    GREENROOM_LISTEN_ADDRESS: ip,
    GREETING: 'hi $(NAME)',
    NAME: pod.metadata?.name,
    LATER: `hi ${pod.metadata?.name}`,
    UID_: pod.metadata?.uid,
    IP: ip,
    NODE: 'local',
    COLOUR: 'green',
    NOTE: 'hello',
    TOKEN: 'from the secret',
    MAP: 'from the map',
    ALL_MODE: 'from the map',
    ALL_OTHER: 'x',
  })
  t.notOk('NONE' in env)
  t.notOk('KUBEBUILDER_ASSETS' in env || 'npm_package_name' in env, 'nothing of the bed’s own environment')
  t.strictSame(args, ['hi $(NAME)', '$(UNKNOWN)', '$(GREETING)'])
  const mayDrop = process.getuid?.() === 0 && !events.some((event) => event.kind === 'warning')
  t.equal(uid, mayDrop ? 1000 : process.getuid?.())
  const log = await readFile(join(folder.path, 'logs', `${pod.metadata?.name}_agent.log`), 'utf8')
  t.match(log, /listening/)
  const event = events.find((event) => event.kind === 'ready' && event.podUid === pod.metadata?.uid)
  if (event?.kind === 'ready') t.comment(`process start to Ready: ${Math.round(event.sinceStartMs)} ms`)

  await remove(pod)
  const ending = await untilGone(pod)
  t.ok(ending)
  t.strictSame(
    events.filter((event) => event.kind === 'container-exited' && event.podUid === pod.metadata?.uid),
    [
      {
        kind: 'container-exited',
        podUid: pod.metadata?.uid,
        pod: pod.metadata?.name,
        container: 'agent',
        exitCode: 7,
      },
    ],
    'SIGTERM reached the program, which ended by itself',
  )
  t.notOk(isAlive(pidOf(pod)))
})

void t.test('a program that ignores SIGTERM is killed after its grace period, not before', async (t) => {
  const pod = await untilReady(
    await create({ env: [{ name: 'IGNORE_TERM', value: '1' }], readinessProbe: http('/ready') }),
  )
  const begin = performance.now()
  await remove(pod, 1)
  await untilGone(pod)
  t.ok(performance.now() - begin >= 1_000, 'the second of grace was given')
  t.match(
    events.findLast((event) => event.kind === 'container-exited'),
    { exitCode: 137 },
  )
})

void t.test('a forced deletion kills at once', async (t) => {
  const pod = await untilReady(
    await create({ env: [{ name: 'IGNORE_TERM', value: '1' }], readinessProbe: http('/ready') }),
  )
  const pid = pidOf(pod)
  await remove(pod, 0)
  await until('the process is dead', () => !isAlive(pid), 2_000)
  t.notOk(isAlive(pid))
})

void t.test('exit codes end a pod that is not restarted', async (t) => {
  const [good, bad] = await Promise.all(
    ['0', '3'].map((value) => create({ env: [{ name: 'EXIT_CODE', value }] })),
  )
  if (!good || !bad) throw new Error('two pods were created')
  const succeeded = await untilPod(good, 'Succeeded', (pod) => pod.status?.phase === 'Succeeded')
  t.match(agentOf(succeeded)?.state?.terminated, { exitCode: 0, reason: 'Completed' })
  const failed = await untilPod(bad, 'Failed', (pod) => pod.status?.phase === 'Failed')
  t.match(agentOf(failed)?.state?.terminated, { exitCode: 3, reason: 'Error' })
  t.equal(conditionOf(failed, 'Ready'), 'False')
  await Promise.all([good, bad].map((pod) => remove(pod)))
  await Promise.all([good, bad].map((pod) => untilGone(pod)))
})

void t.test('OnFailure restarts, with back-off, and counts', async (t) => {
  const pod = await create(
    {
      env: [{ name: 'EXIT_ON_FIRST', value: '5' }],
      readinessProbe: http('/ready'),
      volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }],
    },
    { restartPolicy: 'OnFailure', volumes: [{ name: 'tmp', emptyDir: {} }] },
  )
  const agent = agentOf(await untilReady(pod))
  t.equal(agent?.restartCount, 1)
  t.equal(agent?.lastState?.terminated?.exitCode, 5)
  t.not(agent?.containerID, agent?.lastState?.terminated?.containerID, 'a new container')
  await remove(pod)

  const crashing = await create({ env: [{ name: 'EXIT_CODE', value: '5' }] }, { restartPolicy: 'Always' })
  await untilWaiting(crashing, 'CrashLoopBackOff')
  await remove(crashing)
  await Promise.all([untilGone(pod), untilGone(crashing)])
})

void t.test('what a kubelet refuses', async (t) => {
  const secret = { name: 'KEY', valueFrom: { secretKeyRef: { name: 'comes-later', key: 'k' } } }
  const noImage = await create({ image: 'unknown-image' })
  const noSecret = await create({ env: [secret], readinessProbe: http('/ready') })
  const asRoot = await create({ image: 'root-image', securityContext: { runAsNonRoot: true } })
  const noCommand = await api.createNamespacedPod({
    namespace,
    body: {
      metadata: { generateName: 'p-' },
      spec: { containers: [{ name: 'agent', image: 'test-image' }] },
    },
  })
  await untilWaiting(noImage, 'ImagePullBackOff')
  await untilWaiting(noCommand, 'CreateContainerError')
  await untilWaiting(asRoot, 'CreateContainerConfigError')
  const waiting = await untilWaiting(noSecret, 'CreateContainerConfigError')
  t.equal(waiting.status?.phase, 'Pending')
  t.match(agentOf(waiting)?.state?.waiting?.message, /secret "comes-later" not found/)
  await api.createNamespacedSecret({
    namespace,
    body: { metadata: { name: 'comes-later' }, stringData: { k: 'v' } },
  })
  await untilReady(noSecret)
  const pods = [noImage, noSecret, asRoot, noCommand]
  await Promise.all(pods.map((pod) => remove(pod)))
  await Promise.all(pods.map((pod) => untilGone(pod)))
})

void t.test('an unready pod is told apart from a dead one', async (t) => {
  const probe = { ...http('/ready'), failureThreshold: 1 }
  const pod = await untilReady(await create({ readinessProbe: probe }))
  await fetch(`http://${pod.status?.podIP}:8080/break`)
  const unready = await untilPod(pod, 'not Ready', (now) => conditionOf(now, 'Ready') === 'False')
  t.equal(unready.status?.phase, 'Running')
  t.equal(agentOf(unready)?.restartCount, 0)
  await remove(pod, 0)

  const mortal = await untilReady(
    await create({ startupProbe: http('/live'), readinessProbe: http('/ready'), livenessProbe: probe }),
  )
  await fetch(`http://${mortal.status?.podIP}:8080/break`)
  const failed = await untilPod(mortal, 'Failed', (now) => now.status?.phase === 'Failed')
  t.equal(agentOf(failed)?.state?.terminated?.exitCode, 7)
  t.ok(events.some((event) => event.kind === 'unhealthy' && event.podUid === mortal.metadata?.uid))
  await remove(mortal)
})

void t.test('init containers run first, in order, and a failed one ends the pod', async (t) => {
  const init = (name: string, ...command: string[]) => ({ name, image: 'test-image', command })
  const pod = await create(
    { readinessProbe: http('/ready') },
    {
      initContainers: [
        init('one', '/bin/sh', '-c', 'echo one >> "$HOME/order"'),
        init('two', '/bin/sh', '-c', 'echo two >> "$HOME/order"; cat "$HOME/order"'),
      ],
    },
  )
  await untilReady(pod)
  const log = await readFile(join(folder.path, 'logs', `${pod.metadata?.name}_two.log`), 'utf8')
  t.equal(log, 'one\ntwo\n')
  await remove(pod)
  const failing = await create({}, { initContainers: [init('one', '/bin/false')] })
  const failed = await untilPod(failing, 'Failed', (now) => now.status?.phase === 'Failed')
  t.equal(agentOf(failed)?.containerID, undefined, 'the main container never ran')
  await remove(failing)
  await Promise.all([untilGone(pod), untilGone(failing)])
})

void t.test('a pod that does not fit waits; a cordoned node takes nothing', async (t) => {
  const misfit = await create({}, { nodeSelector: { 'workload-type': 'other' } })
  const told = await untilPod(misfit, 'unschedulable', (pod) => conditionOf(pod, 'PodScheduled') === 'False')
  t.equal(told.spec?.nodeName, undefined)
  await remove(misfit)
  await plane.kubectl(['cordon', 'local'])
  const waiting = await create(
    { readinessProbe: http('/ready') },
    { nodeSelector: { 'workload-type': 'ai-agents' } },
  )
  await untilPod(waiting, 'unschedulable', (pod) => conditionOf(pod, 'PodScheduled') === 'False')
  await plane.kubectl(['uncordon', 'local'])
  await untilReady(waiting)
  await remove(waiting)
  await untilGone(waiting)
})

void t.test('two kubelets of one machine have different addresses', async (t) => {
  const other = await startProcessKubelet({
    kubeconfigPath: plane.kubeconfigPath,
    images: {},
    folder: join(folder.path, 'other'),
    nodeName: 'other',
  })
  const nodes = await api.listNode()
  const addresses = nodes.items.map((node) => node.status?.addresses?.[0]?.address)
  await other.stop()
  t.equal(new Set(addresses).size, 2)
})

void t.test('twenty pods become Ready, each with its own address', async (t) => {
  const begin = performance.now()
  const pods = await Promise.all(Array.from({ length: 20 }, () => create({ readinessProbe: http('/ready') })))
  const ready = await until(
    'all twenty are Ready',
    async () => {
      const { items } = await api.listNamespacedPod({ namespace, labelSelector: 'colour=green' })
      const ready = items.filter(
        (pod) => conditionOf(pod, 'Ready') === 'True' && !pod.metadata?.deletionTimestamp,
      )
      return ready.length === 20 && ready
    },
    30_000,
  )
  t.comment(`20 pods Ready after ${Math.round(performance.now() - begin)} ms`)
  t.equal(new Set(ready.map((pod) => pod.status?.podIP)).size, 20)
  const uids = new Set(pods.map((pod) => pod.metadata?.uid))
  const writes = (await plane.writes()).filter(
    ({ resource, verb, name }) =>
      resource === 'pods' && verb === 'patch' && pods.some((pod) => pod.metadata?.name === name),
  )
  t.ok(writes.length <= 40, `${writes.length} status writes for 20 pods: started and Ready`)
  await Promise.all(pods.map((pod) => remove(pod)))
  await until(
    'all twenty are gone',
    async () => (await api.listNamespacedPod({ namespace })).items.length === 0,
  )
  // Its watch hears of it a moment after the API server has.
  await until('the kubelet has forgotten them', () => !kubelet.pods().some(({ uid }) => uids.has(uid)))
})

void t.test(
  'a kubelet that is killed with -9 leaves no process; its successor tells what became of them',
  async (t) => {
    await kubelet.stop()
    const script = `
    const { startProcessKubelet } = await import(${JSON.stringify(`${support}process-kubelet/process-kubelet.ts`)})
    await startProcessKubelet({
      kubeconfigPath: ${JSON.stringify(plane.kubeconfigPath)},
      images: { 'test-image': { workingDir: ${JSON.stringify(support)} } },
      folder: ${JSON.stringify(join(folder.path, 'victim'))},
      onEvent: (event) => console.log(JSON.stringify(event)),
    })`
    const victim = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.teardown(() => victim.kill('SIGKILL'))
    const lines = createInterface({ input: victim.stdout })
    const seen: KubeletEvent[] = []
    lines.on('line', (line) => seen.push(JSON.parse(line) as KubeletEvent))
    // The shell's child shows that the whole group goes.
    const pod = await create({
      command: ['/bin/sh', '-c', 'sleep 600 & node process-kubelet/test-image.ts'],
      readinessProbe: http('/ready'),
    })
    await untilReady(pod)
    const started = seen.find((event) => event.kind === 'container-started')
    const pid = started?.kind === 'container-started' ? started.pid : 0
    t.ok(isAlive(pid))
    victim.kill('SIGKILL')
    await once(victim, 'exit')
    await until('the pod’s processes are dead', () => !isAlive(pid), 3_000)
    t.notOk(isAlive(pid))

    const successor = await startProcessKubelet({
      kubeconfigPath: plane.kubeconfigPath,
      images: {},
      folder: join(folder.path, 'successor'),
    })
    const failed = await untilPod(pod, 'Failed', (now) => now.status?.phase === 'Failed')
    t.match(agentOf(failed)?.state?.terminated, { reason: 'ContainerStatusUnknown', exitCode: 137 })
    await successor.stop()
  },
)

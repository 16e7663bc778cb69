import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { V1Pod } from '@kubernetes/client-node'
import t from 'tap'
import { isAlive } from '../../../bed/processes/is-alive.ts'
import { until } from '../../../bed/processes/until.ts'
import { agentOf, conditionOf, http, namespace, startKubeletBed } from './kubelet-bed.ts'

/** The life of a pod under the process kubelet, held against what a real kubelet does. */

const { folder, events, api, ...pods } = await startKubeletBed(t, 'kubelet')
const { create, remove, untilPod, untilReady, untilWaiting, untilGone } = pods
await api.createNamespacedSecret({
  namespace,
  body: { metadata: { name: 'keys' }, stringData: { token: 'from the secret' } },
})
await api.createNamespacedConfigMap({
  namespace,
  body: { metadata: { name: 'settings' }, data: { MODE: 'from the map', OTHER: 'x' } },
})

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

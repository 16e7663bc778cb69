import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t from 'tap'
import type { KubeletEvent } from '../../../bed/kubelet/kubelet-event.ts'
import { startProcessKubelet } from '../../../bed/kubelet/process-kubelet.ts'
import { isAlive } from '../../../bed/processes/is-alive.ts'
import { until } from '../../../bed/processes/until.ts'
import { root } from '../../../bed/repository.ts'
import { agentOf, conditionOf, http, imageFolder, namespace, startKubeletBed } from './kubelet-bed.ts'

/** The process kubelet as a node: what it takes, how much at once, and what is left of it when it is killed. */

const { folder, plane, kubelet, api, ...pods } = await startKubeletBed(t, 'node')
const { create, remove, untilPod, untilReady, untilGone } = pods

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
    const { startProcessKubelet } = await import(${JSON.stringify(join(root, 'bed/kubelet/process-kubelet.ts'))})
    await startProcessKubelet({
      kubeconfigPath: ${JSON.stringify(plane.kubeconfigPath)},
      images: { 'test-image': { workingDir: ${JSON.stringify(imageFolder)} } },
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
      command: ['/bin/sh', '-c', 'sleep 600 & node test-image.ts'],
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

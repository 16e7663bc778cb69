import type { V1Pod } from '@kubernetes/client-node'
import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { createDocumentWatch } from '../../src/cluster/document-watch.ts'
import { createEventRecorder } from '../../src/cluster/event-recorder.ts'
import { loadKubeAccess } from '../../src/cluster/kube-access.ts'
import { createKubeClients } from '../../src/cluster/kube-clients.ts'
import { createPodInformer } from '../../src/cluster/pod-informer.ts'
import { createPodWriter } from '../../src/cluster/pod-writer.ts'
import { label } from '../../src/domain/names.ts'
import { PodWriteError } from '../../src/domain/pod-write-error.ts'
import { checkPools, type PoolSpec, type PoolsDocument } from '../../src/domain/pool.ts'
import { createLogLines } from '../cluster/log-lines.ts'
import { startClusterBed } from './cluster-bed.ts'

/** What the cluster adapter says to the real API server, and what it hears of it. */

const { plane, clients, namespace } = await startClusterBed(t, 'cluster')
const { transport } = clients

const pools = checkPools(`
pools:
  echo-agent:
    template: { image: echo, command: [node, echo.js] }
    min: 1
    max: 2
`)
if (!pools.ok) throw new Error(pools.problems.join())
const spec = pools.value.pools['echo-agent'] as PoolSpec
const { core } = clients
const writer = createPodWriter({ clients, namespace })

async function setPodStatus(name: string, status: NonNullable<V1Pod['status']>): Promise<void> {
  await core.patchNamespacedPodStatus({
    name,
    namespace,
    body: Object.entries(status).map(([key, value]) => ({ op: 'add', path: `/status/${key}`, value })),
  })
}

async function writeConfigMap(at: string, name: string, data: Record<string, string>): Promise<string> {
  const body = { metadata: { name, namespace: at }, data }
  try {
    const written = await core.replaceNamespacedConfigMap({ name, namespace: at, body })
    return written.metadata?.resourceVersion ?? ''
  } catch {
    const written = await core.createNamespacedConfigMap({ namespace: at, body })
    return written.metadata?.resourceVersion ?? ''
  }
}

async function configMapText(at: string, name: string, key: string): Promise<string | undefined> {
  const { items } = await core.listNamespacedConfigMap({
    namespace: at,
    fieldSelector: `metadata.name=${name}`,
  })
  return items[0]?.data?.[key]
}

void t.test('informer and writer: the life of a slot', async (t) => {
  const { logger, lines } = createLogLines()
  const informer = createPodInformer({ transport, namespace, logger, timing: { watchSeconds: 2 } })
  const changes: string[] = []
  informer.onChange(() => {
    throw new Error('this listener is broken')
  })
  const unsubscribe = informer.onChange(({ pod, gone }) =>
    changes.push(`${gone ? 'gone' : 'now'} ${pod.uid}`),
  )
  const early = await writer.create('echo-agent', spec)
  informer.start()
  t.teardown(() => informer.stop())
  t.equal(informer.synced(), false)
  await until('synced', () => informer.synced())
  t.match(informer.get(early.uid), { name: early.name, agentType: 'echo-agent', stateLabel: 'idle' })

  const later = await writer.create('echo-agent', spec)
  await until('the second pod', () => informer.byPool('echo-agent').length === 2)
  t.match(later.name, /^echo-agent-.{5}$/)
  await core.createNamespacedPod({
    namespace,
    body: { metadata: { name: 'stranger' }, spec: { containers: [{ name: 'c', image: 'x' }] } },
  })
  await setPodStatus(later.name, {
    phase: 'Running',
    podIP: '127.9.9.9',
    conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: new Date(1_700_000_000_000) }],
  })
  await until('ready', () => informer.get(later.uid)?.readySince !== undefined)
  t.match(informer.get(later.uid), { ip: '127.9.9.9', readySince: 1_700_000_000_000 })
  t.same(
    informer
      .all()
      .map((pod) => pod.uid)
      .sort(),
    [early.uid, later.uid].sort(),
    'strangers are not seen',
  )
  t.equal(informer.byPool('stella-agent').length, 0)

  t.equal(await writer.labelClaimed(later, 'session-1'), true)
  t.equal(await writer.labelClaimed(later, 'session-1'), true, 'may be repeated')
  await until('labelled', () => informer.get(later.uid)?.sessionLabel === 'session-1')
  t.equal(informer.get(later.uid)?.stateLabel, 'claimed')

  t.equal(await writer.exists(later), true)
  t.equal(await writer.delete(later, 0), true)
  await until('gone', () => informer.get(later.uid) === undefined)
  t.equal(informer.byPool('echo-agent').length, 1)
  t.equal(changes.filter((change) => change === `gone ${later.uid}`).length, 1)
  t.equal(await writer.exists(later), false)
  t.equal(await writer.labelClaimed(later, 'session-1'), false)
  t.equal(await writer.delete(later), false)
  unsubscribe()
  await until('the server ended two watches', () => informer.counters().watches >= 3)
  t.match(informer.counters(), { lists: 1, failures: 0 }, 'each went on from the last version')
  t.ok(lines.some((line) => line.msg === 'a listener of the pod informer failed'))
})

void t.test('what runs in a pod is compared with the answer to its create', async (t) => {
  const { logger } = createLogLines()
  const informer = createPodInformer({ transport, namespace, logger })
  informer.start()
  t.teardown(() => informer.stop())
  const made = await writer.create('echo-agent', spec)
  const seen = () => informer.get(made.uid)
  await until('the pod', () => seen() !== undefined)
  t.equal(seen()?.specDigest, made.specDigest, 'typed and raw, the digest is the same')
  const bind = { metadata: { name: made.name }, target: { kind: 'Node', name: 'n1' } }
  // The typed client reads the answer, a Status, as a Binding and fails; the call is made.
  await core.createNamespacedPodBinding({ name: made.name, namespace, body: bind }).catch(() => undefined)
  await setPodStatus(made.name, { phase: 'Running', podIP: '127.9.9.9' })
  t.equal(await writer.labelClaimed(made, 'session-1'), true)
  await until('bound and labelled', () => seen()?.nodeName === 'n1' && seen()?.sessionLabel !== undefined)
  t.equal(seen()?.specDigest, made.specDigest, 'Kubernetes and Greenroom write to it all the time')
  t.equal(seen()?.specChanged, undefined)
  const setImage = (image: string) =>
    core.patchNamespacedPod({
      name: made.name,
      namespace,
      body: [{ op: 'replace', path: '/spec/containers/0/image', value: image }],
    })
  await setImage('evil')
  await until('another image', () => seen()?.specDigest !== made.specDigest)
  t.equal(seen()?.specChanged, true)
  await setImage(spec.template.image)
  await until('the image as it was', () => seen()?.specDigest === made.specDigest)
  t.equal(seen()?.specChanged, true, 'it may have run meanwhile')
  await writer.delete(made, 0)
})

void t.test('a namesake is never touched', async (t) => {
  const { uid, name } = await writer.create('echo-agent', spec)
  const impostor = { uid: '00000000-0000-4000-8000-000000000000', name }
  t.equal(await writer.exists(impostor), false)
  t.equal(await writer.labelClaimed(impostor, 'session-2'), false)
  t.equal(await writer.delete(impostor, 0), false)
  const pod = await core.readNamespacedPod({ name, namespace })
  t.equal(pod.metadata?.uid, uid)
  t.equal(pod.metadata?.labels?.[label.state], 'idle')
  t.equal(pod.metadata?.labels?.session, undefined)
  await t.rejects(writer.labelClaimed({ uid, name }, 'not a label value!'), /labels: Invalid value/)
})

void t.test('a pod with grace is Terminating first', async (t) => {
  const { uid, name } = await writer.create('echo-agent', spec)
  await core.createNamespacedPodBinding({
    name,
    namespace,
    body: { metadata: { name }, target: { apiVersion: 'v1', kind: 'Node', name: 'nowhere' } },
  })
  t.equal(await writer.delete({ uid, name }, 7), true)
  const pod = await core.readNamespacedPod({ name, namespace })
  t.equal(pod.metadata?.deletionGracePeriodSeconds, 7)
  t.equal(await writer.delete({ uid, name }, 0), true)
})

void t.test('what cannot be written comes with the reason', async (t) => {
  const failure = async (at: string, by = clients, poolSpec = spec): Promise<PodWriteError> => {
    try {
      await createPodWriter({ clients: by, namespace: at }).create('echo-agent', poolSpec)
    } catch (error) {
      if (error instanceof PodWriteError) return error
      throw error
    }
    throw new Error('the pod was created')
  }
  t.match(await failure('no-such-namespace'), {
    reason: 'api',
    retryable: true,
    message: /not found/,
  })

  await plane.createNamespace('restricted', { 'pod-security.kubernetes.io/enforce': 'restricted' })
  t.match(await failure('restricted'), {
    reason: 'denied',
    retryable: false,
    message: /violates PodSecurity/,
  })

  await plane.createNamespace('full')
  await core.createNamespacedResourceQuota({
    namespace: 'full',
    body: {
      metadata: { name: 'none' },
      spec: { hard: { pods: '0' } },
      status: { hard: { pods: '0' }, used: { pods: '0' } },
    },
  })
  await core.replaceNamespacedResourceQuotaStatus({
    name: 'none',
    namespace: 'full',
    body: {
      metadata: { name: 'none' },
      spec: { hard: { pods: '0' } },
      status: { hard: { pods: '0' }, used: { pods: '0' } },
    },
  })
  t.match(await failure('full'), { reason: 'quota', retryable: true, message: /exceeded quota: none/ })

  await plane.createNamespace('tight')
  await core.createNamespacedLimitRange({
    namespace: 'tight',
    body: {
      metadata: { name: 'tight' },
      spec: { limits: [{ type: 'Pod', min: { cpu: '1' } }] },
    },
  })
  t.match(await failure('tight'), {
    reason: 'limit-range',
    retryable: true,
    blamesPod: false,
    message: /minimum cpu usage per Pod is 1/,
  })

  const template = { ...spec.template, env: [{ name: 'not a name=', value: '' }] }
  t.match(await failure(namespace, clients, { ...spec, template }), { reason: 'invalid', retryable: false })

  const nobody = await loadKubeAccess({ KUBECONFIG: await plane.kubeconfigFor('nobody') })
  const stranger = createKubeClients({ access: nobody })
  t.match(await failure(namespace, stranger), { reason: 'forbidden', retryable: false, message: /nobody/ })
  stranger.close()
})

void t.test('a dry run is answered as a create would be, and makes nothing', async (t) => {
  const at = 'dry'
  await plane.createNamespace(at)
  const trial = createPodWriter({ clients, namespace: at })
  t.equal(await trial.wouldRefuse('echo-agent', spec), undefined)
  t.equal(await trial.wouldRefusePlain('echo-agent'), undefined)
  const template = { ...spec.template, image: ' echo:1' }
  t.match(await trial.wouldRefuse('echo-agent', { ...spec, template }), {
    reason: 'invalid',
    blamesPod: true,
    message: /spec\.containers\[0\]\.image: Invalid value: " echo:1"/,
  })
  t.same(await trial.list('echo-agent'), [])
  const { uid } = await trial.create('echo-agent', spec)
  t.same(await trial.list('echo-agent'), [uid])
  t.same(await trial.list('stella-agent'), [])
})

void t.test('a document: accepted, refused, restored', async (t) => {
  const at = 'documents'
  await plane.createNamespace(at)
  const { logger, lines } = createLogLines()
  const rejected: { resourceVersion: string; problems: readonly string[] }[] = []
  const open = (write: boolean) =>
    createDocumentWatch<PoolsDocument>({
      clients,
      namespace: at,
      name: 'agent-pools',
      key: 'pools.yaml',
      check: checkPools,
      accepted: { name: 'agent-pools-accepted', write },
      logger,
      onRejected: (refusal) => rejected.push(refusal),
    })
  const text = (min: number) => `pools: { echo-agent: { template: { image: e }, min: ${min}, max: 5 } }`
  const min = (document: PoolsDocument | undefined) => document?.pools['echo-agent']?.min

  const watch = open(true)
  const applied: (number | undefined)[] = []
  watch.onChange(() => {
    throw new Error('this listener is broken')
  })
  watch.onChange((document) => applied.push(min(document)))
  watch.start()
  await until('synced', () => watch.synced() && watch.status().problems !== undefined)
  t.match(watch.status(), { seen: undefined, applied: undefined, problems: [/does not exist/] })
  t.equal(watch.current(), undefined)

  const first = await writeConfigMap(at, 'agent-pools', { 'pools.yaml': text(1) })
  let startedAt = performance.now()
  await until('in force', () => min(watch.current()) === 1)
  t.ok(performance.now() - startedAt < 2_000, `in force after ${performance.now() - startedAt} ms`)
  t.same(watch.status(), { seen: first, applied: first, problems: undefined })
  await until('kept', async () => (await configMapText(at, 'agent-pools-accepted', 'pools.yaml')) === text(1))

  const second = await writeConfigMap(at, 'agent-pools', { 'pools.yaml': text(9) })
  startedAt = performance.now()
  await until('refused', () => watch.status().seen === second)
  t.ok(performance.now() - startedAt < 2_000)
  t.equal(min(watch.current()), 1)
  t.same(watch.status().applied, first)
  t.match(watch.status().problems, ['/pools/echo-agent/min: 9 is more than max (5)'])
  t.match(rejected, [{ resourceVersion: second, problems: [/more than max/] }])
  t.equal(lines.filter((line) => line.resourceVersion === second).length, 1, 'logged once')
  await watch.stop()

  const reader = open(false)
  reader.start()
  await until('restored', () => min(reader.current()) === 1)
  t.same(reader.status(), { seen: second, applied: first, problems: rejected[0]?.problems })
  t.equal(reader.synced(), true)

  await core.deleteNamespacedConfigMap({ name: 'agent-pools', namespace: at })
  await until('deleted', () => reader.status().problems?.[0]?.includes('was deleted') ?? false)
  t.equal(min(reader.current()), 1)

  await writeConfigMap(at, 'agent-pools', { 'other.yaml': '' })
  await until('no key', () => reader.status().problems?.[0]?.includes('no key') ?? false)
  const third = await writeConfigMap(at, 'agent-pools', { 'pools.yaml': text(3) })
  await until('in force again', () => min(reader.current()) === 3)
  t.same(reader.status(), { seen: third, applied: third, problems: undefined })
  await reader.stop()
  t.equal(await configMapText(at, 'agent-pools-accepted', 'pools.yaml'), text(1), 'a reader writes nothing')

  const again = open(true)
  again.start()
  await until('kept', async () => (await configMapText(at, 'agent-pools-accepted', 'pools.yaml')) === text(3))
  await again.stop()
  t.same(applied, [1])
})

void t.test('events are written, and counted once a minute', async (t) => {
  const { logger, lines } = createLogLines()
  const recorder = createEventRecorder({
    clients,
    namespace,
    component: 'greenroom.dev/controller',
    instance: 'controller-0',
    logger,
    everyMs: 300,
  })
  const made = await core.createNamespacedConfigMap({
    namespace,
    body: { metadata: { name: 'agent-pools' } },
  })
  const uid = made.metadata?.uid ?? ''
  const event = {
    regarding: { kind: 'ConfigMap', name: 'agent-pools', uid },
    type: 'Warning',
    reason: 'Rejected',
    action: 'Accept',
    note: `${'ä'.repeat(2_000)}`,
  } as const
  const written = async () => (await clients.events.listNamespacedEvent({ namespace })).items
  for (let round = 0; round < 5; round += 1) recorder.record(event)
  recorder.record({ ...event, note: 'another' })
  await until('both are there', async () => (await written()).length === 2)
  t.same(
    (await written()).map(({ series }) => series?.count),
    [undefined, undefined],
    'not counted yet',
  )
  await until('the series', async () => (await written()).some(({ series }) => series?.count === 5))
  await recorder.stop()
  t.same(lines, [])
  const described = await plane.kubectl(['describe', 'configmap', 'agent-pools', '-n', namespace])
  t.match(described.stdout, /Rejected .*\(x5 over .*greenroom\.dev\/controller/, 'found by its UID, counted')
  t.match(
    (await written()).find((item) => item.note === 'another'),
    {
      type: 'Warning',
      reason: 'Rejected',
      action: 'Accept',
      reportingController: 'greenroom.dev/controller',
      reportingInstance: 'controller-0',
      regarding: { kind: 'ConfigMap', name: 'agent-pools', namespace, apiVersion: 'v1' },
    },
  )
  recorder.record(event)
  t.equal((await written()).length, 2, 'stopped')
})

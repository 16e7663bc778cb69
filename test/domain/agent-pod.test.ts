import type { V1Pod } from '@kubernetes/client-node'
import t from 'tap'
import { agentPodFrom, asOf, continuedFrom, endOfSessionOn } from '../../src/domain/agent-pod.ts'
import { agentPod } from './slot-views.ts'

const metadata = {
  uid: 'u1',
  name: 'echo-1',
  labels: { 'greenroom.dev/pool': 'echo-agent', 'greenroom.dev/state': 'claimed', session: 's1' },
  annotations: { 'greenroom.dev/template-hash': 'h', 'greenroom.dev/assign-key-ids': 'k2,k1' },
}

/** As on the wire: times are strings. */
const wire = (pod: unknown): V1Pod => pod as V1Pod

void t.test('a pod as it comes from a watch', (t) => {
  const pod = wire({
    metadata: {
      ...metadata,
      creationTimestamp: '2026-01-01T00:00:00Z',
      deletionTimestamp: '2026-01-01T00:01:00Z',
    },
    spec: { nodeName: 'n1' },
    status: {
      phase: 'Running',
      podIP: '10.0.0.1',
      conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:05Z' }],
      containerStatuses: [
        { name: 'sidecar', state: { running: {} }, containerID: 'c0' },
        { name: 'agent', state: { running: {} }, containerID: 'c1' },
      ],
    },
  })
  const start = Date.UTC(2026, 0, 1)
  t.same(agentPodFrom(pod), {
    uid: 'u1',
    name: 'echo-1',
    agentType: 'echo-agent',
    ip: '10.0.0.1',
    nodeName: 'n1',
    createdAt: start,
    deletingSince: start + 60_000,
    readySince: start + 5_000,
    deadReason: undefined,
    containerId: 'c1',
    templateHash: 'h',
    assignKeyIds: ['k2', 'k1'],
    stateLabel: 'claimed',
    sessionLabel: 's1',
  })
  t.end()
})

void t.test('Dates of the client count as well; an empty pod has nothing', (t) => {
  const creationTimestamp = new Date(5_000)
  t.match(agentPodFrom({ metadata: { ...metadata, annotations: {}, creationTimestamp } }), {
    createdAt: 5_000,
    ip: undefined,
    readySince: undefined,
    assignKeyIds: [],
    templateHash: undefined,
  })
  t.end()
})

void t.test('what is no pod of a pool', (t) => {
  t.equal(agentPodFrom({}), undefined)
  t.equal(agentPodFrom({ metadata: { ...metadata, labels: {} } }), undefined)
  t.equal(agentPodFrom({ metadata: { name: 'x', labels: metadata.labels } }), undefined)
  t.end()
})

void t.test('Ready counts only while it is True', (t) => {
  const conditions = [{ type: 'Ready', status: 'False', lastTransitionTime: new Date(1) }]
  t.equal(agentPodFrom({ metadata, status: { conditions } })?.readySince, undefined)
  t.end()
})

void t.test('why a pod is dead or cannot start', (t) => {
  const agent = (state: unknown, phase = 'Running') =>
    agentPodFrom(wire({ metadata, status: { phase, containerStatuses: [{ name: 'agent', state }] } }))
  t.equal(
    agent({ terminated: { exitCode: 137, reason: 'OOMKilled' } })?.deadReason,
    'agent container ended: OOMKilled (exit code 137)',
  )
  t.equal(agent({}, 'Failed')?.deadReason, 'pod phase Failed')
  t.equal(agent({}, 'Succeeded')?.deadReason, 'pod phase Succeeded')
  t.same(agent({ waiting: { reason: 'ErrImagePull' } })?.trouble, { cause: 'image', message: 'ErrImagePull' })
  t.equal(agent({ waiting: { reason: 'ErrImagePull' } })?.deadReason, undefined)
  const sidecarEnded = wire({
    metadata,
    status: {
      containerStatuses: [
        { name: 'sidecar', state: { terminated: { exitCode: 0 } } },
        { name: 'agent', state: { running: {} } },
      ],
    },
  })
  t.equal(agentPodFrom(sidecarEnded)?.deadReason, undefined)
  t.end()
})

type Conditions = { type: string; status: string; reason?: string; lastTransitionTime?: string }[]
const withConditions = (conditions: Conditions, more: object = {}) =>
  agentPodFrom(wire({ metadata, status: { phase: 'Running', conditions, ...more } }))
const at = '2026-01-01T00:00:00Z'

void t.test('a node that is gone, by what deleted the pod', (t) => {
  const disrupted = (reason: string, status = 'True') =>
    withConditions([{ type: 'DisruptionTarget', status, reason }])?.nodeLost
  t.equal(disrupted('DeletionByTaintManager'), true)
  t.equal(disrupted('DeletionByPodGC'), true)
  t.equal(disrupted('DeletionByPodGC', 'False'), undefined)
  t.equal(disrupted('PreemptionByScheduler'), undefined, 'its kubelet lives')
  t.equal(disrupted('EvictionByEvictionAPI'), undefined)
  t.equal(withConditions([], { reason: 'NodeLost' })?.nodeLost, true)
  t.equal(withConditions([], { reason: 'Evicted' })?.nodeLost, undefined)
  t.end()
})

void t.test('a silent node is told from a failed probe by the conditions of the pod', (t) => {
  const since = (ready: Partial<Conditions[number]>, containersReady: string) =>
    withConditions([
      { type: 'Ready', status: 'False', lastTransitionTime: at, ...ready },
      { type: 'ContainersReady', status: containersReady },
    ])?.unreachableSince
  t.equal(since({}, 'True'), Date.parse(at), 'the node controller changes Ready alone')
  t.equal(since({ status: 'Unknown' }, 'False'), Date.parse(at))
  t.equal(since({ reason: 'NodeStatusUnknown' }, 'False'), Date.parse(at))
  t.equal(since({ reason: 'ContainersNotReady' }, 'False'), undefined, 'a kubelet said so')
  t.equal(since({ reason: 'ReadinessGatesNotReady' }, 'True'), undefined)
  t.equal(since({ status: 'True' }, 'True'), undefined)
  t.equal(withConditions([])?.unreachableSince, undefined)
  t.end()
})

void t.test('silence becomes death at the configured time', (t) => {
  const pod = agentPod('u', { unreachableSince: 1_000 })
  t.equal(asOf(pod, { now: 300_999, nodeLostMs: 300_000 }), pod)
  t.match(asOf(pod, { now: 301_000, nodeLostMs: 300_000 }), {
    nodeLost: true,
    deadReason: 'node is unreachable',
  })
  t.equal(asOf(agentPod('u'), { now: 1e12, nodeLostMs: 1 }).deadReason, undefined)
  t.end()
})

void t.test('another container than the first is a dead agent, for good', (t) => {
  const first = agentPod('u', { containerId: 'c1' })
  const replaced = continuedFrom(first, agentPod('u', { containerId: 'c2' }))
  t.match(replaced, { deadReason: 'agent container was replaced', containerId: 'c1' })
  t.match(continuedFrom(replaced, agentPod('u', { containerId: 'c2' })), { deadReason: /replaced/ })
  t.equal(continuedFrom(first, agentPod('u', { containerId: 'c1' })).deadReason, undefined)
  const made = agentPod('u', { specDigest: 'd1' })
  t.equal(continuedFrom(made, made).specChanged, undefined)
  const changed = continuedFrom(made, agentPod('u', { specDigest: 'd2' }))
  t.match(changed, { specDigest: 'd2', specChanged: true })
  t.match(continuedFrom(changed, made), { specChanged: true }, 'changed back is changed')
  t.equal(continuedFrom(first, agentPod('u')).deadReason, undefined, 'a status without one says nothing')
  t.equal(continuedFrom(undefined, agentPod('u', { containerId: 'c1' })).deadReason, undefined)
  t.equal(continuedFrom(agentPod('u'), agentPod('u', { containerId: 'c1' })).deadReason, undefined)
  const restarted = wire({
    metadata,
    status: { containerStatuses: [{ name: 'agent', restartCount: 1, state: { running: {} } }] },
  })
  t.match(agentPodFrom(restarted)?.deadReason, /started again/, 'although nobody saw the first')
  t.end()
})

void t.test('why a session on a pod is over', (t) => {
  const cases = [
    [{}, undefined],
    [{ readySince: undefined }, undefined],
    [{ unreachableSince: 1 }, undefined],
    [{ trouble: { cause: 'image', message: 'ErrImagePull' } }, undefined],
    [{ deadReason: 'agent container ended' }, 'pod:died'],
    [{ deletingSince: 1 }, 'pod:deleted'],
    [{ deletingSince: 1, deadReason: 'agent container ended' }, 'pod:deleted'],
    [{ nodeLost: true, deletingSince: 1, deadReason: 'pod phase Failed' }, 'pod:node-lost'],
  ] as const
  for (const [change, reason] of cases)
    t.equal(endOfSessionOn(agentPod('u', change)), reason, JSON.stringify(change))
  t.end()
})

import type { V1Pod } from '@kubernetes/client-node'
import t from 'tap'
import { agentPodFrom } from '../../src/domain/agent-pod.ts'

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
    waitingReason: undefined,
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
  t.equal(agent({ waiting: { reason: 'ErrImagePull' } })?.waitingReason, 'ErrImagePull')
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

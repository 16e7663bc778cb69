import fc from 'fast-check'
import t from 'tap'
import { podsToExplain } from '../../../src/admission/explain/pods-in-document.ts'

const spec = { containers: [{ name: 'a' }] }
const template = { metadata: { labels: { a: 'b' } }, spec }

void t.test('every workload of Kubernetes has its template found', async (t) => {
  const workloads = [
    ...['Deployment', 'ReplicaSet', 'StatefulSet', 'DaemonSet', 'Job', 'ReplicationController'].map(
      (kind) => ({
        kind,
        metadata: { name: 'x', namespace: 'n' },
        spec: { template },
      }),
    ),
    {
      kind: 'CronJob',
      metadata: { name: 'x', namespace: 'n' },
      spec: { jobTemplate: { spec: { template } } },
    },
    { kind: 'PodTemplate', metadata: { name: 'x', namespace: 'n' }, template },
  ]
  for (const workload of workloads) {
    t.same(podsToExplain(workload), [
      { subject: `${workload.kind}/x`, namespace: 'n', pod: template, username: '' },
    ])
  }
})

void t.test('a list has all of its own; a review tells who asks; a live pod is nobody’s', async (t) => {
  const pod = { kind: 'Pod', metadata: { name: 'p' }, spec }
  t.equal(podsToExplain({ kind: 'List', items: [pod, { kind: 'Service' }, pod] }, 'd').length, 2)
  const request = { object: pod, namespace: 'n', userInfo: { username: 'alice' } }
  t.match(podsToExplain({ kind: 'AdmissionReview', request }), [{ namespace: 'n', username: 'alice' }])
  const live = { ...pod, metadata: { name: 'p', uid: 'u' } }
  t.match(podsToExplain(live), [{ username: undefined, namespace: undefined }])
  t.match(podsToExplain({ spec }, 'd'), [{ subject: 'Pod/', namespace: 'd' }])
})

void t.test('anything else has none, and nothing throws', async () => {
  fc.assert(fc.property(fc.anything(), (value) => Array.isArray(podsToExplain(value))))
})

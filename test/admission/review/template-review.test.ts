import t from 'tap'
import type { AdmissionRequest } from '../../../src/admission/review/admission-review.ts'
import { templateReview } from '../../../src/admission/review/template-review.ts'
import { inForce, reviewOf, samplePod, serverEnv } from '../pod-samples.ts'

/** A template as the API server sends it: no token volume, no ServiceAccount. */
function template(more: Parameters<typeof samplePod>[0] = {}) {
  const { metadata, spec } = samplePod(more)
  const { volumes: _volumes, serviceAccountName: _account, ...rest } = spec
  return {
    metadata,
    spec: {
      ...rest,
      ...more.spec,
      containers: spec.containers.map(({ volumeMounts: _mounts, ...one }) => one),
    },
  }
}

const kinds = [
  ['apps', 'deployments', (pod: unknown) => ({ spec: { template: pod } }), 'spec.template.'],
  ['apps', 'replicasets', (pod: unknown) => ({ spec: { template: pod } }), 'spec.template.'],
  ['apps', 'statefulsets', (pod: unknown) => ({ spec: { template: pod } }), 'spec.template.'],
  ['apps', 'daemonsets', (pod: unknown) => ({ spec: { template: pod } }), 'spec.template.'],
  ['batch', 'jobs', (pod: unknown) => ({ spec: { template: pod } }), 'spec.template.'],
  [
    'batch',
    'cronjobs',
    (pod: unknown) => ({ spec: { jobTemplate: { spec: { template: pod } } } }),
    'spec.jobTemplate.spec.template.',
  ],
  ['', 'replicationcontrollers', (pod: unknown) => ({ spec: { template: pod } }), 'spec.template.'],
  ['', 'podtemplates', (pod: unknown) => ({ template: pod }), 'template.'],
] as const

const judge = (group: string, resource: string, object: unknown, more: Partial<AdmissionRequest> = {}) =>
  templateReview(reviewOf(object, { resource: { group, version: 'v1', resource }, ...more }), inForce)

void t.test(
  'every kind of workload: what its pods would be denied for, with the place in the template',
  async (t) => {
    for (const [group, resource, object, place] of kinds) {
      const bad = object(template({ spec: { hostNetwork: true } }))
      t.match(judge(group, resource, bad), {
        kind: 'allowed',
        warnings: [`its pods would be denied: GRN_POLICY_VIOLATION: ${place}spec.hostNetwork is true`],
      })
      const { warnings } = judge(group, resource, object(template()))
      t.equal(warnings?.length, 1, resource)
      t.match(warnings?.[0], /^its pods will be changed at .*spec\.containers\[0\]\.securityContext/)
      t.notMatch(warnings?.[0], /policy-version/)
    }
  },
)

void t.test(
  "it is judged as its controller's work: Greenroom's labels and ServiceAccounts are not for it",
  async (t) => {
    const deployment = (pod: unknown) => ({ spec: { template: pod } })
    // Greenroom itself may write the Deployment; its pods are made by the ReplicaSet controller.
    const userInfo = { username: 'system:serviceaccount:ai-agents:session-management-sa' }
    const labels = { 'agent-type': 'echo-agent', 'greenroom.dev/pool': 'echo-agent', session: 's' }
    t.match(judge('apps', 'deployments', deployment(template({ labels })), { userInfo }).warnings, [
      /GRN_LABEL_OWNERSHIP: spec\.template\.metadata\.labels\[greenroom\.dev\/pool\]/,
      /GRN_LABEL_OWNERSHIP: spec\.template\.metadata\.labels\[session\]/,
    ])
    const account = { spec: { serviceAccountName: 'session-management-sa' } }
    t.match(judge('apps', 'deployments', deployment(template(account))).warnings, [/rule service-account/])
    t.match(
      judge('apps', 'deployments', deployment(template({ labels: { 'agent-type': 'nobody' } }))).warnings,
      [/GRN_AGENT_TYPE_UNKNOWN/],
    )
  },
)

void t.test("Greenroom's own Deployment and what we cannot read get no warning", async (t) => {
  const component = template({
    labels: {},
    container: {
      image: 'greenroom:0.1.0',
      env: serverEnv,
      securityContext: {
        allowPrivilegeEscalation: false,
        runAsNonRoot: true,
        capabilities: { drop: ['ALL'] },
      },
    },
    spec: {
      serviceAccountName: 'session-management-sa',
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    },
  })
  t.same(judge('apps', 'deployments', { spec: { template: component } }), { kind: 'allowed' })
  for (const object of [
    null,
    {},
    { spec: null },
    { spec: { template: null } },
    { spec: { template: { spec: [] } } },
  ]) {
    t.equal(judge('apps', 'deployments', object).kind, 'allowed')
  }
  const bad = { spec: { template: template({ spec: { hostNetwork: true } }) } }
  t.same(judge('apps', 'controllerrevisions', bad), { kind: 'allowed' })
  t.same(judge('apps', 'deployments', bad, { subResource: 'status' }), { kind: 'allowed' })
  t.same(judge('apps', 'deployments', bad, { operation: 'DELETE' }), { kind: 'allowed' })
  t.equal(judge('constructor', 'prototype', bad).kind, 'allowed')
})

void t.test('an update that leaves the template alone is no news', async (t) => {
  const object = (replicas: number, hostNetwork: boolean) => ({
    spec: { replicas, template: template({ spec: { hostNetwork } }) },
  })
  const update = (before: unknown, after: unknown) =>
    judge('apps', 'deployments', after, { operation: 'UPDATE', oldObject: before })
  t.same(update(object(1, true), object(3, true)), { kind: 'allowed' })
  t.match(update(object(1, false), object(1, true)), { warnings: [/hostNetwork/] })
})

void t.test("a StatefulSet's claims count as volumes of its pods, by the name of the first one's", (t) => {
  const statefulSet = (name: string) => {
    const pod = template({ labels: { app: 'postgres' } })
    const [container] = pod.spec.containers
    const env = [
      { name: 'PGDATA', value: '/var/lib/postgresql/data/pgdata' },
      ...['POSTGRES_USER', 'POSTGRES_DB', 'POSTGRES_PASSWORD'].map((key) => ({
        name: key,
        valueFrom: { secretKeyRef: { name: 'postgres', key } },
      })),
    ]
    const volumeMounts = [{ name: 'data', mountPath: '/var/lib/postgresql/data' }]
    return {
      metadata: { name },
      spec: {
        template: {
          ...pod,
          spec: {
            ...pod.spec,
            serviceAccountName: 'postgres',
            containers: [{ ...container, image: 'postgres:16.15', command: [], args: [], env, volumeMounts }],
          },
        },
        volumeClaimTemplates: [{ metadata: { name: 'data' } }],
      },
    }
  }
  const warningsOf = (name: string) =>
    (judge('apps', 'statefulsets', statefulSet(name), { namespace: 'ai-agents' }).warnings ?? []).filter(
      (text) => text.includes('volumeMounts'),
    )
  t.strictSame(warningsOf('postgres'), [], 'data-postgres-0 is the claim of its row')
  t.match(warningsOf('other'), [/volumeMounts\[0\] is "\/var\/lib\/postgresql\/data"/])
  t.end()
})

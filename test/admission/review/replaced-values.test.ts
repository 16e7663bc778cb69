import t from 'tap'
import type { Pod } from '../../../src/admission/pod/pod.ts'
import type { AdmissionRequest } from '../../../src/admission/review/admission-review.ts'
import { mutateReview } from '../../../src/admission/review/pod-review.ts'
import { greenroomUser, inForce, inForceOf, policy, reviewOf, samplePod } from '../pod-samples.ts'

/** Authors hear of each value of theirs that the policy replaces, and of nothing else. */

const warnings = (pod: Pod, more: Partial<AdmissionRequest> = {}, within = inForce): readonly string[] =>
  mutateReview(reviewOf(pod, more), within).warnings ?? []

const probe = { httpGet: { path: '/mine', port: 9000, scheme: 'HTTP' }, timeoutSeconds: 1, periodSeconds: 10 }

void t.test('each explicit value that is replaced has a line: what, by what, why', async (t) => {
  const pod = samplePod({
    container: {
      resources: { requests: { cpu: '2', memory: '8Gi' }, limits: { cpu: '4', memory: '8Gi' } },
      livenessProbe: probe,
      env: [{ name: 'OPENAI_API_KEY', value: 'sk-mine' }],
      securityContext: { runAsUser: 4711, readOnlyRootFilesystem: false },
    },
    spec: {
      terminationGracePeriodSeconds: 600,
      automountServiceAccountToken: true,
      securityContext: { runAsUser: 0, supplementalGroups: [6] },
    },
  })
  const said = warnings(pod)
  const agent = String.raw`spec\.containers\[agent\]`
  for (const line of [
    /^spec\.terminationGracePeriodSeconds: was 600, becomes 30\. .+ \(rule grace-period\)$/,
    /^spec\.automountServiceAccountToken: was true, becomes false/,
    /^spec\.securityContext\.runAsUser: was 0, becomes 1000\..* A program that needs root will fail$/,
    /^spec\.securityContext\.supplementalGroups: was \[6\], becomes unset/,
    new RegExp(`^${agent}\\.securityContext\\.runAsUser: was 4711, becomes 1000`),
    new RegExp(`^${agent}\\.securityContext\\.readOnlyRootFilesystem: was false, becomes true`),
    new RegExp(`^${agent}\\.resources\\.limits\\.cpu: was "4", becomes "1000m"`),
    new RegExp(`^${agent}\\.resources\\.requests\\.cpu: was "2", becomes "250m"`),
    new RegExp(`^${agent}\\.livenessProbe\\.httpGet\\.path: was "/mine", becomes "/health"`),
    new RegExp(`^${agent}\\.env\\[OPENAI_API_KEY\\]\\.value: was \\(hidden\\), becomes unset`),
  ]) {
    t.equal(said.filter((text) => line.test(text)).length, 1, String(line))
  }
  t.equal(
    said.filter((text) => text.includes('requests.memory')).length,
    0,
    'the request that Kubernetes copies',
  )
  t.equal(
    said.filter((text) => /periodSeconds|timeoutSeconds|scheme/.test(text)).length,
    0,
    'defaults of a probe',
  )
  t.notMatch(said.join('\n'), /sk-mine/)
})

void t.test('of a long list it is the same value that is told of as of a short one', async (t) => {
  for (const count of [0, 15, 40]) {
    const others = Array.from({ length: count }, (_, index) => ({ name: `A${index}`, value: 'x' }))
    const said = warnings(
      samplePod({ container: { env: [...others, { name: 'OPENAI_API_KEY', value: 'sk-mine' }] } }),
    )
    t.equal(said.length, 1, `${count} others`)
    t.match(said[0], /^spec\.containers\[agent\]\.env\[OPENAI_API_KEY\]\.value: was \(hidden\)/)
  }
})

void t.test('nothing is said of what defaults and plugins wrote', async (t) => {
  t.same(warnings(samplePod()), [], 'token volume, ServiceAccount, grace period')
  const limited = samplePod({
    annotations: {
      'kubernetes.io/limit-ranger':
        'LimitRanger plugin set: cpu, memory request for container agent; cpu, memory limit for container agent',
    },
    container: {
      resources: { requests: { cpu: '100m', memory: '256Mi' }, limits: { cpu: '500m', memory: '1Gi' } },
    },
  })
  t.same(warnings(limited), [], 'a LimitRange')
  const defaults = {
    ...policy.defaults,
    priorityClassName: 'agents',
    serviceAccountName: 'agents',
    gracePeriodSeconds: 60,
  }
  const within = inForceOf({ ...policy, defaults })
  const classed = samplePod({
    spec: {
      priorityClassName: 'standard',
      priority: 5,
      preemptionPolicy: 'Never',
      serviceAccount: 'default',
    } as Pod['spec'],
  })
  const sent = (fields: object): Pod => ({
    ...classed,
    metadata: Object.assign({}, classed.metadata, { managedFields: [{ fieldsV1: { 'f:spec': fields } }] }),
  })
  t.same(warnings(sent({ 'f:containers': {} }), {}, within), [], "the cluster's default class")
  t.match(warnings(sent({ 'f:priorityClassName': {} }), {}, within), [
    /^spec\.priorityClassName: was "standard", becomes "agents"/,
  ])
})

void t.test("Greenroom's own pods have no author; who asks is told everything as before", async (t) => {
  const pod = samplePod({ spec: { terminationGracePeriodSeconds: 600 } })
  t.same(warnings(pod, { userInfo: { username: greenroomUser } }), [])
  t.ok(warnings(pod, { dryRun: true }).length > 10)
})

void t.test(
  'an init container that asks for root is refused, or becomes the user of the row with a warning',
  async (t) => {
    const initContainers = [{ name: 'chown', image: 'stella-agent:1', securityContext: { runAsUser: 0 } }]
    const pod = samplePod({ spec: { initContainers } })
    t.match(mutateReview(reviewOf(pod), inForce), {
      kind: 'denied',
      violations: [
        {
          rule: 'root-init-containers',
          path: 'spec.initContainers[0].securityContext.runAsUser',
          allowed: /would fail at run time/,
        },
      ],
    })
    const within = inForceOf({ ...policy, modes: { 'root-init-containers': 'warn' } })
    const answer = mutateReview(reviewOf(pod), within)
    t.equal(answer.kind, 'patched')
    t.match(answer.warnings, [
      /^spec\.initContainers\[chown\]\.securityContext\.runAsUser: was 0, becomes 1000\..* A program that needs root will fail$/,
    ])
  },
)

void t.test('attributes of a CSI driver are not told: they may be secrets', async (t) => {
  const csi = { driver: 'd', volumeAttributes: { clientSecret: 'hunter2' } }
  const pod = samplePod({ spec: { volumes: [{ name: 'greenroom-tmp', csi }] } })
  const said = JSON.stringify(mutateReview(reviewOf(pod, { dryRun: true }), inForce))
  t.notMatch(said, 'hunter2')
  t.notMatch(JSON.stringify(warnings(pod)), 'hunter2')
})

import t from 'tap'
import type { Container, Pod } from '../../../src/admission/pod/pod.ts'
import type { Violation } from '../../../src/admission/pod/violation.ts'
import { mutated, violationsIn } from '../pod-creation.ts'
import { acceptedPolicy, inForce, inForceOf, policyTextOf, samplePod } from '../pod-samples.ts'

/** The base gives echo-agent the key OPENAI_API_KEY of Secret agent-secrets, and no whole Secret. */

const withWhole = inForceOf(
  acceptedPolicy(
    policyTextOf('base/agent-policy.yaml').replace(
      'images: { allowed: [greenroom] }',
      'images: { allowed: [greenroom] }\n    allowedSecrets: [agent-secrets, "tls-*"]',
    ),
  ),
)

function found(
  container: Partial<Container> & object,
  spec: Partial<Pod['spec']> & object = {},
  within = inForce,
): Violation[] {
  const pod = samplePod({ labels: { 'agent-type': 'echo-agent' }, container, spec })
  return violationsIn(mutated(pod, within), within).filter(({ rule }) => rule === 'secret-references')
}

const keyOf = (name: string, key: string): Container => ({
  name: 'agent',
  env: [{ name: 'X', valueFrom: { secretKeyRef: { name, key } } }],
})
const envFrom: Partial<Container> & object = { envFrom: [{ secretRef: { name: 'agent-secrets' } }] }
const volumes: readonly (readonly [string, NonNullable<Pod['spec']['volumes']>[number]])[] = [
  ['secret.secretName', { name: 's', secret: { secretName: 'agent-secrets' } }],
  [
    'projected.sources[0].secret.name',
    { name: 's', projected: { sources: [{ secret: { name: 'agent-secrets' } }] } },
  ],
]

void t.test("a row's secrets allow their keys and no others of the same Secret", async (t) => {
  t.same(found(keyOf('agent-secrets', 'OPENAI_API_KEY')), [])
  t.match(found(keyOf('agent-secrets', 'DB_ADMIN')), [
    {
      path: 'spec.containers[0].env[X].valueFrom.secretKeyRef.name',
      found: 'key "DB_ADMIN" of "agent-secrets"',
      allowed: 'key OPENAI_API_KEY of agent-secrets',
    },
  ])
  t.match(found(keyOf('other', 'OPENAI_API_KEY')), [{ found: 'key "OPENAI_API_KEY" of "other"' }])
  t.match(found(envFrom), [
    { path: 'spec.containers[0].envFrom[0].secretRef.name', found: '"agent-secrets"' },
  ])
  for (const [field, volume] of volumes) {
    t.match(found({}, { volumes: [volume] }), [{ path: `spec.volumes[0].${field}` }])
  }
  t.match(found({}, { imagePullSecrets: [{ name: 'agent-secrets' }] }), [
    { path: 'spec.imagePullSecrets[0].name' },
  ])
})

void t.test('allowedSecrets allow the whole Secret', async (t) => {
  t.same(found(keyOf('agent-secrets', 'DB_ADMIN'), {}, withWhole), [])
  t.same(found(keyOf('tls-1', 'tls.key'), {}, withWhole), [])
  t.same(found(envFrom, {}, withWhole), [])
  for (const [, volume] of volumes) t.same(found({}, { volumes: [volume] }, withWhole), [])
  t.same(found({}, { imagePullSecrets: [{ name: 'agent-secrets' }] }, withWhole), [])
})

void t.test('an attribute of a driver is not shown: it may be a secret itself', async (t) => {
  const csi = { volumeAttributes: { clientSecret: 'hunter2' } }
  const violations = found({}, { volumes: [{ name: 'v', csi }] })
  t.match(violations, [{ path: 'spec.volumes[0].csi.volumeAttributes[clientSecret]' }])
  t.notMatch(JSON.stringify(violations), 'hunter2')
})

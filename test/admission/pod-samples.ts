import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import type { Container, Pod, Volume } from '../../src/admission/pod/pod.ts'
import type { PolicyDocument } from '../../src/admission/policy/policy-document.ts'
import type { PolicyInForce } from '../../src/admission/policy/policy-in-force.ts'
import { assignKeysFrom } from '../../src/admission/policy/public-assign-keys.ts'
import type { AdmissionRequest } from '../../src/admission/review/admission-review.ts'
import { checkPolicy } from '../../src/admission/rules/check-policy.ts'

/** Pods and reviews as the API server sends them, for the tests of admission. */

/** `policy.yaml` of a ConfigMap below manifests/. */
export function policyTextOf(manifest: string): string {
  const text = readFileSync(join(import.meta.dirname, '../../manifests', manifest), 'utf8')
  return (parse(text) as { data: Record<string, string> }).data['policy.yaml'] ?? ''
}

const policyOf = (manifest: string): PolicyDocument => acceptedPolicy(policyTextOf(manifest))

export function acceptedPolicy(text: string): PolicyDocument {
  const checked = checkPolicy(text)
  if (!checked.ok) throw new Error(checked.problems.join('\n'))
  return checked.value
}

/** The environment that the base gives the session server: all that its row requires. */
export const serverEnv = (
  parse(
    readFileSync(join(import.meta.dirname, '../../manifests/base/session-server/deployment.yaml'), 'utf8'),
  ) as { spec: { template: Pod } }
).spec.template.spec.containers.flatMap(({ env = [] }) => env)

export const policy = policyOf('base/agent-policy.yaml')
/** One that uses every key. */
export const fullPolicy = policyOf('examples/agent-policy.yaml')
const publicKey = (kid: string) => ({ kid, kty: 'OKP', crv: 'Ed25519', x: kid.padEnd(43, 'A') })
export const keySet = JSON.stringify({ keys: [publicKey('k2'), publicKey('k1')] })
export const inForceOf = (document: PolicyDocument): PolicyInForce => ({
  policy: document,
  assignKeys: assignKeysFrom(keySet),
})
export const inForce = inForceOf(policy)

export const greenroomUser = 'system:serviceaccount:ai-agents:session-management-sa'

/** What the ServiceAccount plugin adds to every pod before a webhook sees it. */
export const tokenVolume: Volume & object = {
  name: 'kube-api-access-x7k2p',
  projected: {
    sources: [{ serviceAccountToken: { path: 'token', expirationSeconds: 3607 } }],
  },
}
const tokenMount = {
  name: 'kube-api-access-x7k2p',
  mountPath: '/var/run/secrets/kubernetes.io/serviceaccount',
  readOnly: true,
}

interface SampleOptions {
  readonly labels?: Record<string, string>
  readonly annotations?: Record<string, string>
  readonly container?: Partial<Container> & object
  readonly spec?: Partial<Pod['spec']> & object
}

/** An unhardened agent pod as it comes out of the API server's defaulting and its built-in plugins. */
export function samplePod({ labels, annotations, container, spec }: SampleOptions = {}): Pod {
  return {
    metadata: { labels: labels ?? { 'agent-type': 'stella-agent' }, ...(annotations && { annotations }) },
    spec: {
      containers: [
        {
          name: 'agent',
          // One that the row of the base allows.
          image: labels?.['agent-type'] === 'echo-agent' ? 'greenroom:1' : 'stella-agent:1',
          resources: {},
          volumeMounts: [tokenMount],
          ...container,
        },
      ],
      volumes: [tokenVolume],
      serviceAccountName: 'default',
      securityContext: {},
      terminationGracePeriodSeconds: 30,
      ...spec,
    },
  }
}

export function reviewOf(object: unknown, overrides: Partial<AdmissionRequest> = {}): AdmissionRequest {
  return {
    uid: 'u-1',
    resource: { group: '', version: 'v1', resource: 'pods' },
    namespace: 'ai-agents',
    operation: 'CREATE',
    userInfo: { username: 'alice' },
    object,
    oldObject: null,
    ...overrides,
  }
}

import type { V1Pod } from '@kubernetes/client-node'
import type { Test } from 'tap'
import { slotPod } from '../../src/domain/slot-pod.ts'

/** Pods as Greenroom and others create them, and what admission must make of them. */

export const keySet = JSON.stringify({
  keys: [
    { kty: 'OKP', crv: 'Ed25519', kid: 'newest', x: 'A'.repeat(43) },
    { kty: 'OKP', crv: 'Ed25519', kid: 'older', x: 'B'.repeat(43) },
  ],
})

/** As Greenroom makes it for a pool. */
export function poolPod(namespace = 'ai-agents', agentType = 'echo-agent'): V1Pod {
  const spec = {
    template: { image: 'greenroom:1', env: [{ name: 'OPENAI_API_KEY', value: 'sk-in-the-pod' }] },
  }
  return slotPod(agentType, spec as unknown as Parameters<typeof slotPod>[1], { namespace })
}

/** As the ReplicaSet controller makes it of a Deployment's template. */
export function deploymentPod(namespace = 'ai-agents', labels: Record<string, string> = {}): V1Pod {
  return {
    metadata: {
      generateName: 'web-7d9c6b4f5-',
      namespace,
      labels: { 'agent-type': 'stella-agent', 'pod-template-hash': '7d9c6b4f5', ...labels },
      ownerReferences: [
        {
          apiVersion: 'apps/v1',
          kind: 'ReplicaSet',
          name: 'web-7d9c6b4f5',
          uid: '2b1f6c1e-6f8a-4a55-9a43-0c8f2f6a9d10',
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    },
    spec: {
      containers: [
        { name: 'agent', image: 'stella-agent:1' },
        { name: 'log-shipper', image: 'stella-agent:1' },
      ],
      initContainers: [{ name: 'fetch', image: 'stella-agent:1' }],
    },
  }
}

export function assertHardened(t: Test, pod: V1Pod, agentEnv: boolean): void {
  const { spec, metadata } = pod
  t.equal(spec?.automountServiceAccountToken, false)
  t.equal(spec?.terminationGracePeriodSeconds, 30)
  t.same(
    spec?.volumes?.filter((volume) => volume.projected),
    [],
    'no token volume is left',
  )
  t.match(spec?.securityContext, { runAsNonRoot: true, runAsUser: 1000, fsGroup: 1000 })
  for (const container of [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])]) {
    t.match(container.securityContext, {
      runAsNonRoot: true,
      runAsUser: 1000,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    })
    t.ok(container.resources?.limits?.memory, 'limits')
    t.same(
      container.volumeMounts?.map(({ mountPath }) => mountPath),
      ['/tmp'],
    )
  }
  t.equal(metadata?.annotations?.['greenroom.dev/policy-version'], '1')
  const env = new Map(spec?.containers[0]?.env?.map((entry) => [entry.name, entry]))
  t.equal(env.has('GREENROOM_ASSIGN_KEYS'), agentEnv)
  if (!agentEnv) return
  t.equal(env.get('GREENROOM_ASSIGN_KEYS')?.value, keySet)
  t.equal(metadata?.annotations?.['greenroom.dev/assign-key-ids'], 'newest,older')
  t.match(env.get('OPENAI_API_KEY')?.valueFrom?.secretKeyRef, {
    name: 'agent-secrets',
    key: 'OPENAI_API_KEY',
    optional: true,
  })
}

/** One that Pod Security takes as it is: only the webhook can be in its way. */
export const restrictedPod = (generateName: string): V1Pod => ({
  metadata: { generateName },
  spec: {
    containers: [
      {
        name: 'a',
        image: 'x:1',
        securityContext: {
          runAsNonRoot: true,
          runAsUser: 1000,
          allowPrivilegeEscalation: false,
          capabilities: { drop: ['ALL'] },
          seccompProfile: { type: 'RuntimeDefault' },
        },
      },
    ],
  },
})

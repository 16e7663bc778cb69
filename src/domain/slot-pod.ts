import type { V1Pod } from '@kubernetes/client-node'
import { canonicalJson } from './canonical-json.ts'
import { agentContainerName, agentPort, annotation, label } from './names.ts'
import type { PoolSpec } from './pool.ts'
import { shapeOf } from './pool-revision.ts'
import { versionHash } from './version-hash.ts'

interface SlotPodOptions {
  readonly namespace: string
}

/**
 * The pod that the controller creates for one slot. It holds only what the pool knows. Resources, probes, security and
 * secrets come from `agent-policy`, through the webhook. The API server picks the end of the name.
 */
export function slotPod(agentType: string, spec: PoolSpec, { namespace }: SlotPodOptions): V1Pod {
  const { image, command, args, env, imagePullPolicy, volumes, volumeMounts } = spec.template
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: `${agentType}-`,
      namespace,
      labels: {
        ...spec.labels,
        [label.managed]: 'true',
        [label.pool]: agentType,
        [label.state]: 'idle',
        [label.agentType]: agentType,
      },
      annotations: { ...spec.annotations, [annotation.templateHash]: templateHash(agentType, spec) },
    },
    spec: {
      // A pod serves one session, ever. A restarted process would have forgotten it.
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      ...(volumes && { volumes }),
      containers: [
        {
          name: agentContainerName,
          image,
          ...(command && { command }),
          ...(args && { args }),
          ...(env && { env }),
          ...(imagePullPolicy && { imagePullPolicy }),
          ...(volumeMounts && { volumeMounts }),
          ports: [{ name: 'http', containerPort: agentPort, protocol: 'TCP' }],
        },
      ],
    },
  }
}

/**
 * Names what shapes the pod: 16 hex digits, independent of the order of the template's keys. The sizes and limits of the
 * pool are not part of it, so changing `min` replaces no pod. It tells versions apart; it protects nothing.
 */
export function templateHash(agentType: string, spec: PoolSpec): string {
  return versionHash(canonicalJson({ agentType, ...shapeOf(spec) }))
}

import type { V1Pod } from '@kubernetes/client-node'
import { canonicalJson } from './canonical-json.ts'
import { agentContainerName, agentPort, annotation, label } from './names.ts'
import type { PoolSpec } from './pool.ts'

interface SlotPodOptions {
  readonly namespace: string
}

/**
 * The pod that the controller creates for one slot. It holds only what the pool knows. Resources, probes, security and
 * secrets come from `agent-policy`, through the webhook. The API server picks the end of the name.
 */
export function slotPod(agentType: string, spec: PoolSpec, { namespace }: SlotPodOptions): V1Pod {
  const { image, command, args, env, imagePullPolicy } = spec.template
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: `${agentType}-`,
      namespace,
      labels: {
        [label.managed]: 'true',
        [label.pool]: agentType,
        [label.state]: 'idle',
        [label.agentType]: agentType,
      },
      annotations: { [annotation.templateHash]: templateHash(agentType, spec) },
    },
    spec: {
      // A pod serves one session, ever. A restarted process would have forgotten it.
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      containers: [
        {
          name: agentContainerName,
          image,
          ...(command && { command }),
          ...(args && { args }),
          ...(env && { env }),
          ...(imagePullPolicy && { imagePullPolicy }),
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
  return fnv1a64(canonicalJson({ agentType, template: spec.template }))
}

const fnvOffset64 = 0xcbf29ce484222325n
const fnvPrime64 = 0x100000001b3n

/** FNV-1a, 64 bit, over UTF-8. domain/ may not use node:crypto, and a few dozen templates need no more. */
function fnv1a64(text: string): string {
  let hash = fnvOffset64
  for (const byte of new TextEncoder().encode(text)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * fnvPrime64)
  }
  return hash.toString(16).padStart(16, '0')
}

import type { V1Pod } from '@kubernetes/client-node'
import { stringify } from 'yaml'
import { until } from '../../bed/processes/until.ts'
import type { Cluster } from './cluster.ts'

/** Pods of one container in a namespace that enforces `restricted`, with a root that cannot be written, as users run them. */
export interface ConfinedPods {
  start(name: string, program: PodProgram): Promise<void>
  /** Exit code and output, when it has ended. */
  outcome(name: string): Promise<{ readonly code: number; readonly output: string }>
  /** Sends SIGTERM to process 1, as a kubelet does, and leaves the pod. */
  terminate(name: string): Promise<void>
  remove(): Promise<void>
}

export interface PodProgram {
  readonly image: string
  readonly args?: readonly string[]
  readonly command?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

export const graceSeconds = 30
const namespace = 'e2e-image'
const withinMs = 60_000

export async function confinedPods({ apply, kubectl, read, run }: Cluster): Promise<ConfinedPods> {
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' }
  await apply(stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels } }))
  const account = ['get', 'serviceaccount', 'default', '-n', namespace]
  await until('the service account', async () => (await kubectl(account)).code === 0, withinMs)
  return {
    start: (name, program) => apply(stringify(podOf(name, program))),
    async outcome(name) {
      const { exitCode } = await until(
        `the end of pod ${name}`,
        async () => {
          const pod = await read<V1Pod>(['get', 'pod', name, '-n', namespace])
          const { terminated, waiting } = pod.status?.containerStatuses?.[0]?.state ?? {}
          if (waiting?.reason && waiting.reason !== 'ContainerCreating')
            throw new Error(`${waiting.reason}: ${waiting.message ?? ''}`)
          return terminated
        },
        withinMs,
      )
      return { code: exitCode, output: await run(['logs', name, '-n', namespace]) }
    },
    async terminate(name) {
      const kill = ['--', 'node', '-e', 'process.kill(1, "SIGTERM")']
      const { code, stderr } = await kubectl(['exec', name, '-n', namespace, ...kill])
      // A process 1 that ends at once takes the sender with it: 137.
      if (code !== 0 && code !== 137) throw new Error(`no signal was sent: ${stderr.trim()}`)
    },
    async remove() {
      await run(['delete', 'namespace', namespace, '--timeout=90s'])
    },
  }
}

function podOf(name: string, { env = {}, ...program }: PodProgram): object {
  const container = {
    name: 'main',
    ...program,
    env: Object.entries(env).map(([key, value]) => ({ name: key, value })),
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
  }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace },
    spec: {
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: graceSeconds,
      // No user: the image's own, which the kubelet compares with runAsNonRoot.
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [container],
    },
  }
}

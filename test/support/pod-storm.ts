import { setTimeout as pause } from 'node:timers/promises'
import type { KubeClients } from '../../src/cluster/kube-clients.ts'

/** Pods created without end, as dry runs: admission sees each, and nothing is left of them. */
interface PodStorm {
  created(): number
  /** Ends it; the sentence of every create that did not succeed. */
  stop(): Promise<readonly string[]>
}

/** Enough to keep the API server's connections to every replica busy. */
const creators = 4
/** About forty pods a second: what changes hands takes seconds, and the storm shares its cores with what it storms. */
const pauseMs = 100

const pod = {
  metadata: { generateName: 'storm-' },
  spec: { containers: [{ name: 'agent', image: 'x:1' }] },
}

export function startPodStorm(clients: Pick<KubeClients, 'core'>, namespace = 'ai-agents'): PodStorm {
  const stopping = new AbortController()
  const failures: string[] = []
  let created = 0
  const create = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const refusal = await createPodDryRun(clients, namespace)
      if (refusal === '') created += 1
      else failures.push(`${new Date().toISOString()} ${refusal}`)
      await pause(pauseMs)
    }
  }
  const running = Array.from({ length: creators }, create)
  return {
    created: () => created,
    async stop() {
      stopping.abort()
      await Promise.all(running)
      return failures
    },
  }
}

/** '' if the pod would be created, else why not. */
export async function createPodDryRun(
  { core }: Pick<KubeClients, 'core'>,
  namespace = 'ai-agents',
): Promise<string> {
  try {
    await core.createNamespacedPod({ namespace, dryRun: 'All', body: pod })
    return ''
  } catch (error) {
    return (error as Error).message
  }
}

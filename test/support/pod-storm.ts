import { setTimeout as pause } from 'node:timers/promises'
import type { KubeTransport } from '../../src/cluster/kube-transport.ts'

/** Pods created without end, as dry runs: admission sees each, and nothing is left of them. */
export interface PodStorm {
  created(): number
  /** Ends it; the sentence of every create that did not succeed. */
  stop(): Promise<readonly string[]>
}

/** Enough to keep the API server's connections to every replica busy. */
const creators = 4
/** About a hundred pods a second: what changes hands takes seconds, and the storm shares its cores with what it storms. */
const pauseMs = 30

const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { generateName: 'storm-' },
  spec: { containers: [{ name: 'agent', image: 'x:1' }] },
}

export function startPodStorm(transport: KubeTransport, namespace = 'ai-agents'): PodStorm {
  const stopping = new AbortController()
  const failures: string[] = []
  let created = 0
  const create = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const refusal = await createPodDryRun(transport, namespace)
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
export async function createPodDryRun(transport: KubeTransport, namespace = 'ai-agents'): Promise<string> {
  try {
    await transport.writeJson('POST', `/api/v1/namespaces/${namespace}/pods?dryRun=All`, pod)
    return ''
  } catch (error) {
    return (error as Error).message
  }
}

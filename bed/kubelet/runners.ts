import type { V1Pod } from '@kubernetes/client-node'
import { PodRunner, type PodRunnerDeps } from './pod-runner.ts'
import type { PodPhase } from './pod-status.ts'

export interface KubeletPod {
  readonly uid: string
  readonly name: string
  readonly namespace: string
  readonly ip: string
  readonly phase: PodPhase
}

/** The pods of this node. */
export interface Runners {
  /** Begins to run a pod that is bound here; nothing happens if it is known. */
  readonly adopt: (pod: V1Pod) => void
  /** False if this pod is not here. */
  readonly update: (pod: V1Pod) => boolean
  /** The object is gone. */
  readonly forget: (pod: V1Pod) => void
  readonly kill: (podUid: string, signal: NodeJS.Signals) => boolean
  readonly pods: () => readonly KubeletPod[]
  /** Ends every process at once; resolves when they have ended. */
  readonly stop: () => Promise<void>
}

export function createRunners(deps: PodRunnerDeps): Runners {
  /** A runner stays known until the object is gone, so that late events of its own writes do not start the pod again. */
  const runners = new Map<string, PodRunner>()
  const running = new Set<Promise<void>>()
  let stopped = false
  const uidOf = ({ metadata }: V1Pod) => metadata?.uid ?? ''
  return {
    adopt: (pod) => {
      if (runners.has(uidOf(pod)) || stopped) return
      const runner = new PodRunner(pod, deps)
      runners.set(runner.uid, runner)
      const run = runner.run().catch((error: unknown) => {
        deps.emit({ kind: 'warning', message: `${runner.name}: ${String(error)}` })
      })
      running.add(run)
      void run.then(() => running.delete(run))
    },
    update: (pod) => {
      const runner = runners.get(uidOf(pod))
      runner?.update(pod)
      return runner !== undefined
    },
    forget: (pod) => {
      runners.get(uidOf(pod))?.vanish()
      runners.delete(uidOf(pod))
    },
    kill: (podUid, signal) => {
      const runner = runners.get(podUid)
      runner?.signal(signal)
      return runner !== undefined
    },
    pods: () =>
      [...runners.values()].map((runner) => {
        const { uid, name, namespace, ip } = runner
        return { uid, name, namespace, ip, phase: runner.phase() }
      }),
    stop: async () => {
      stopped = true
      for (const runner of runners.values()) runner.vanish()
      await Promise.all(running)
    },
  }
}

import type { PodView } from '../domain/cluster-ports.ts'
import { pause } from '../timing/pause.ts'
import { slotFitness } from './slot-fitness.ts'

/** A freshly indexed pod may reach this replica's informer a moment later than the controller's. */
const informerLagMs = 250
const informerLookMs = 5

interface AwaitFitnessDeps {
  readonly pods: Pick<PodView, 'get'>
  /** Monotonic milliseconds. */
  readonly now: () => number
}

/** Redis only proposes. What it says is held against the pod itself before PostgreSQL is asked. */
export function createAwaitFitness({ pods, now }: AwaitFitnessDeps) {
  return async function awaitFitness(
    agentType: string,
    podUid: string,
  ): Promise<ReturnType<typeof slotFitness>> {
    const until = now() + informerLagMs
    for (;;) {
      const fitness = slotFitness(agentType, pods.get(podUid))
      if ('pod' in fitness) return fitness
      // A pod that is not seen or not Ready here is lag: the controller indexed it because it saw it Ready.
      const isLag = fitness.unfit === 'not-seen' || fitness.unfit === 'not-ready'
      if (!isLag || now() >= until) return fitness
      await pause(informerLookMs)
    }
  }
}

export type AwaitFitness = ReturnType<typeof createAwaitFitness>

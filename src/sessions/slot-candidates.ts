import { createHash } from 'node:crypto'
import type { PodView } from '../domain/cluster-ports.ts'
import { isServable, type ServablePod } from './slot-fitness.ts'

/**
 * Which pod to try when Redis says nothing: the informer's ready pods, without those in flight here, in this replica's
 * rendezvous-hash order. So replicas without a common index rarely reach for the same pod.
 */
export function createSlotCandidates(pods: PodView, replica: string) {
  const inFlight = new Set<string>()
  /** Known to be claimed or retired, which is for ever. The informer's labels show it much later. */
  const spent = new Set<string>()
  pods.onChange(({ pod, gone }) => {
    if (gone) spent.delete(pod.uid)
  })

  return {
    /** Takes the first candidate not tried yet; `release` it when its claim is settled. */
    take(agentType: string, tried: ReadonlySet<string>): ServablePod | undefined {
      let best: ServablePod | undefined
      let bestWeight = ''
      for (const pod of pods.byPool(agentType)) {
        if (!isServable(pod) || pod.stateLabel !== 'idle' || tried.has(pod.uid)) continue
        if (inFlight.has(pod.uid) || spent.has(pod.uid)) continue
        const weight = createHash('sha1').update(`${replica}\0${pod.uid}`).digest('hex')
        if (weight > bestWeight) {
          best = pod
          bestWeight = weight
        }
      }
      if (best) inFlight.add(best.uid)
      return best
    },
    /** `isSpent`: a session has the pod, or somebody took it before. It is never a candidate again. */
    release(podUid: string, isSpent: boolean): void {
      inFlight.delete(podUid)
      if (isSpent && pods.get(podUid)) spent.add(podUid)
    },
  }
}

export type SlotCandidates = ReturnType<typeof createSlotCandidates>

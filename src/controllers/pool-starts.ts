import type { SlotView } from '../domain/pool-observation.ts'
import { isOwnPod, originFault } from '../domain/pool-pod.ts'

interface SeenPod {
  /** When this process saw it first, epoch ms: within milliseconds of its create, where `createdAt` has whole seconds. */
  readonly since: number
  isReady: boolean
  isClaimed: boolean
}

interface StartsSeen {
  /** Seconds to Ready of each pod that became Ready since the last look. */
  readonly starts: readonly number[]
  readonly oldestStartSeconds: number
  /** Pods that a session took since the last look. */
  readonly claimed: number
}

/**
 * How long pods of one pool take to start, look by look. Pods that were there before the first look count only if they
 * became Ready after `from`, when an earlier leader last decided; of these only the API's whole seconds are known.
 * `onStart` is told of each start.
 */
export function createPoolStarts(
  from: number | undefined,
  onStart: (podUid: string, seconds: number) => void = () => undefined,
) {
  const pods = new Map<string, SeenPod>()
  let isFirstLook = true

  function startOf(slot: SlotView, pod: SeenPod, now: number): number | undefined {
    if (pod.isReady || slot.readySince === undefined) return undefined
    pod.isReady = true
    if (isFirstLook && (from === undefined || slot.readySince <= from)) return undefined
    const wasSeenStarting = !isFirstLook && pod.since < now
    const ms = wasSeenStarting ? now - pod.since : slot.readySince - slot.createdAt
    return Math.max(0, ms) / 1_000
  }

  return {
    look(slots: readonly SlotView[], now: number): StartsSeen {
      const starts: number[] = []
      let claimed = 0
      let oldest = now
      const present = new Set<string>()
      for (const slot of slots) {
        // A pod that somebody else made or changed says nothing about the pool's own starts.
        if (!isOwnPod(slot.origin) || originFault(slot.origin)) continue
        present.add(slot.podUid)
        const isClaimed = slot.claim?.purpose === 'session'
        const pod = pods.get(slot.podUid) ?? {
          since: isFirstLook ? Math.min(now, slot.createdAt) : now,
          isReady: false,
          isClaimed: isFirstLook && isClaimed,
        }
        pods.set(slot.podUid, pod)
        const start = startOf(slot, pod, now)
        if (start !== undefined) {
          starts.push(start)
          onStart(slot.podUid, start)
        }
        if (slot.state === 'warming') oldest = Math.min(oldest, pod.since)
        if (isClaimed && !pod.isClaimed) claimed += 1
        pod.isClaimed ||= isClaimed
      }
      for (const podUid of pods.keys()) if (!present.has(podUid)) pods.delete(podUid)
      isFirstLook = false
      return { starts, oldestStartSeconds: Math.max(0, now - oldest) / 1_000, claimed }
    },
  }
}

export type PoolStarts = ReturnType<typeof createPoolStarts>

import type { WakeBus } from '../domain/index-ports.ts'
import { every } from '../timing/every.ts'
import { createRoomLooks, type RoomLooksDeps } from './room-looks.ts'
import { createWorkQueue } from './work-queue.ts'

interface RoomKeeperDeps extends RoomLooksDeps {
  readonly wakes: Pick<WakeBus, 'subscribe'>
}

/** What LiveKit did not tell is found within this time. One request to LiveKit and one to PostgreSQL. */
const sweepMs = 5_000
/** Between two looks at all rooms, however many sessions are due one after the other. */
const leastPauseMs = 1_000

const all = 'all'
const heard = 'heard'

/**
 * Keeps LiveKit's rooms and the sessions in step, on the elected controller: it looks at all rooms from time to time, and
 * sooner at those of which LiveKit told something by webhook, or whose session has ended.
 */
export function createRoomKeeper(deps: RoomKeeperDeps) {
  const { wakes, metrics, logger } = deps

  return {
    async run(signal: AbortSignal): Promise<void> {
      const looks = createRoomLooks(deps)
      const heardOf = new Set<string>()
      const queue = createWorkQueue({
        // One, because a look decides by everything that was seen before it.
        workers: 1,
        signal,
        log: logger.child({ queue: 'rooms' }),
        async run(key) {
          const ids = [...heardOf]
          heardOf.clear()
          const dueMs = key === all ? await looks.all() : await looks.some(ids)
          if (dueMs !== undefined) queue.addAfter(all, Math.max(leastPauseMs, dueMs))
        },
      })
      const unsubscribe = wakes.subscribe((wake) => {
        if (wake.kind !== 'room' && wake.kind !== 'ended') return
        heardOf.add(wake.sessionId)
        queue.add(heard)
      })
      try {
        await every({ name: 'rooms', everyMs: sweepMs, signal, logger, metrics }, async () => queue.add(all))
      } finally {
        unsubscribe()
        await queue.stop()
        // Only the leader knows.
        metrics.liveKitAnswers.reset()
        for (const what of ['rooms', 'agents', 'records']) metrics.absenceFrozen.set({ what }, 0)
      }
    },
  }
}

export type RoomKeeper = ReturnType<typeof createRoomKeeper>

import type { PodConnection } from './pod-connection.ts'

/** A delivery that is signed and on whose connection nothing was sent yet. */
export interface PreparedDelivery {
  readonly host: string
  /** The request body, byte for byte as it was signed. */
  readonly body: string
  /** Bearer token of exactly this body. */
  readonly token: string
  readonly connection: PodConnection
}

/** Only a slow PostgreSQL lets so many wait. What is beyond is signed and connected to when it is sent. */
const most = 256

/**
 * Deliveries that wait for PostgreSQL's answer to the claim of their pod, one for a pod. A connection that waits tells its pod
 * nothing, and is closed when its delivery is dropped or after `keptMs`.
 */
export function createPreparedDeliveries(keptMs: number) {
  const waiting = new Map<string, PreparedDelivery & { readonly expiry: NodeJS.Timeout }>()

  function remove(podUid: string): PreparedDelivery | undefined {
    const found = waiting.get(podUid)
    waiting.delete(podUid)
    clearTimeout(found?.expiry)
    return found
  }

  return {
    hasRoomFor: (podUid: string): boolean => waiting.size < most && !waiting.has(podUid),
    /** Returns what drops it again, unless it was taken. */
    add(podUid: string, delivery: PreparedDelivery): () => void {
      const drop = () => {
        if (waiting.get(podUid)?.connection !== delivery.connection) return
        remove(podUid)
        delivery.connection.close()
      }
      waiting.set(podUid, { ...delivery, expiry: setTimeout(drop, keptMs).unref() })
      return drop
    },
    /** For this very request to this address. What was prepared for another one is closed. */
    take(podUid: string, host: string, body: string): PreparedDelivery | undefined {
      const found = remove(podUid)
      if (found?.host === host && found.body === body) return found
      found?.connection.close()
      return undefined
    },
  }
}

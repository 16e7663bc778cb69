/**
 * A keyed work queue like controller-runtime's. It carries names, never events. A waiting key is in it once. A running key
 * never runs twice at a time, and runs again if it was added meanwhile. A key that failed is tried again, later each time.
 */

/**
 * First retry after a failure, doubling. Most failures are a conflict or a short outage of the API or PostgreSQL. 50 ms is
 * soon enough for a conflict, and in an outage a thousandth of the load of a hot loop.
 */
const firstRetryMs = 50
/** A key that keeps failing is tried twice a minute, so that it heals soon after its cause is gone. */
const maxRetryMs = 30_000
/** setTimeout takes a signed 32-bit number and fires at once beyond it. */
const longestTimerMs = 2 ** 31 - 1

/** Time as the queue sees it. Tests bring their own. */
export interface QueueClock {
  /** Monotonic milliseconds. */
  now(): number
  /** Calls once after this time, unless what it returned is called before. */
  after(ms: number, call: () => void): () => void
}

export interface WorkQueueOptions {
  /** Does the work of one key. If it throws or rejects, the key is tried again later. */
  readonly run: (key: string, signal: AbortSignal) => Promise<void>
  /** Keys that may run at the same time. */
  readonly workers: number
  /** When it aborts, nothing new starts, runs under way get the signal, and `stop` waits for their end. */
  readonly signal?: AbortSignal
  readonly log: { error(details: object, message: string): void }
  readonly clock?: QueueClock
  /** For counters. What they throw is logged and changes nothing. */
  readonly events?: {
    readonly added?: (key: string) => void
    readonly succeeded?: (key: string, ms: number) => void
    readonly failed?: (key: string, ms: number) => void
  }
}

interface WorkQueue {
  /** Runs the key as soon as a worker is free. */
  add(key: string): void
  /** Adds the key after this time. Of several calls for one key only the earliest time counts. */
  addAfter(key: string, ms: number): void
  /** Number of keys that wait for a worker, without those that wait for their time. */
  depth(): number
  /** Starts nothing more. Resolves when every run has ended. May be called again. */
  stop(): Promise<void>
}

export function createWorkQueue(options: WorkQueueOptions): WorkQueue {
  const { run, workers, log, events = {}, clock = realClock } = options
  const stopping = new AbortController()
  /** Insertion order is queue order. */
  const waiting = new Set<string>()
  const running = new Map<string, Promise<void>>()
  const addedWhileRunning = new Set<string>()
  const delayed = new Map<string, { readonly dueAt: number; readonly cancel: () => void }>()
  /** Only of keys whose last run failed, so it stays small. */
  const failures = new Map<string, number>()

  function add(key: string): void {
    if (stopping.signal.aborted) return
    notify('added', () => events.added?.(key))
    if (running.has(key)) addedWhileRunning.add(key)
    else waiting.add(key)
    startWaiting()
  }

  function addAfter(key: string, ms: number): void {
    if (stopping.signal.aborted) return
    const delayMs = ms > 0 ? Math.min(ms, longestTimerMs) : 0
    const dueAt = clock.now() + delayMs
    const earlier = delayed.get(key)
    if (earlier && earlier.dueAt <= dueAt) return
    earlier?.cancel()
    const cancel = clock.after(delayMs, () => {
      delayed.delete(key)
      add(key)
    })
    delayed.set(key, { dueAt, cancel })
  }

  function startWaiting(): void {
    for (const key of waiting) {
      if (stopping.signal.aborted || running.size >= workers) return
      waiting.delete(key)
      // Runs in a microtask of its own: the caller of `add` must not see what `run` throws, and a run that adds its own
      // key at once must find it among the running ones.
      running.set(key, Promise.resolve(key).then(runOnce))
    }
  }

  /** Never rejects. */
  async function runOnce(key: string): Promise<void> {
    if (!stopping.signal.aborted) await attempt(key)
    running.delete(key)
    if (addedWhileRunning.delete(key)) waiting.add(key)
    startWaiting()
  }

  async function attempt(key: string): Promise<void> {
    const startedAt = clock.now()
    try {
      await run(key, stopping.signal)
      failures.delete(key)
      notify('succeeded', () => events.succeeded?.(key, clock.now() - startedAt))
    } catch (error) {
      retryLater(key, error)
      notify('failed', () => events.failed?.(key, clock.now() - startedAt))
    }
  }

  function retryLater(key: string, error: unknown): void {
    if (stopping.signal.aborted) {
      // While stopping there is no retry, and a run that the stop aborted is not an error.
      if (!isAbort(error)) log.error({ key, err: error }, 'run failed while stopping')
      return
    }
    const count = (failures.get(key) ?? 0) + 1
    failures.set(key, count)
    const retryInMs = Math.min(maxRetryMs, firstRetryMs * 2 ** Math.min(count - 1, 30))
    log.error({ key, err: error, failures: count, retryInMs }, 'run failed')
    addAfter(key, retryInMs)
  }

  function notify(event: string, call: () => void): void {
    try {
      call()
    } catch (error) {
      log.error({ event, err: error }, 'listener of the work queue failed')
    }
  }

  async function stop(): Promise<void> {
    if (!stopping.signal.aborted) {
      stopping.abort()
      options.signal?.removeEventListener('abort', onAbort)
      for (const { cancel } of delayed.values()) cancel()
      delayed.clear()
      waiting.clear()
      addedWhileRunning.clear()
    }
    await Promise.all(running.values())
  }

  function onAbort(): void {
    void stop()
  }
  options.signal?.addEventListener('abort', onAbort)
  if (options.signal?.aborted) onAbort()

  return { add, addAfter, depth: () => waiting.size, stop }
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError'
}

const realClock: QueueClock = {
  now: () => performance.now(),
  after(ms, call) {
    const timer = setTimeout(call, ms)
    return () => clearTimeout(timer)
  },
}

/**
 * Keyed work queue in the manner of controller-runtime: it carries names, never events. A key waiting is there once,
 * one running is never run beside itself and runs again if it was added meanwhile, and one that failed comes back by
 * itself, later each time.
 */

/**
 * First retry after a failure, doubling. Most failures here are a conflict or a short outage of the API or PostgreSQL:
 * 50 ms is soon enough for the first and a thousandth of the load of a hot loop for the second.
 */
const firstRetryMs = 50
/** A key that keeps failing is still looked at twice a minute, so that it heals soon after its cause is gone. */
const maxRetryMs = 30_000
/** setTimeout takes a signed 32-bit number and fires at once beyond it. */
const longestTimerMs = 2 ** 31 - 1

/** Time as the queue sees it; tests bring their own. */
export interface QueueClock {
  /** Monotonic milliseconds. */
  now(): number
  /** Calls once after this time, unless what it returned is called before. */
  after(ms: number, call: () => void): () => void
}

export interface WorkQueueOptions {
  /** Brings one key's world in order. Throwing (or rejecting) means: try again later. */
  readonly run: (key: string, signal: AbortSignal) => Promise<void>
  /** Keys that may run at the same time. */
  readonly workers: number
  /** When it aborts, nothing starts any more, runs under way are told, and their end is awaited by `stop`. */
  readonly signal?: AbortSignal
  readonly log: { error(details: object, message: string): void }
  readonly clock?: QueueClock
  /** For counters. Whatever they throw is logged and changes nothing. */
  readonly events?: {
    readonly added?: (key: string) => void
    readonly succeeded?: (key: string, ms: number) => void
    readonly failed?: (key: string, ms: number) => void
  }
}

interface WorkQueue {
  /** Runs the key as soon as a worker is free. */
  add(key: string): void
  /** Adds the key after this time. Of several for one key the earliest counts, and the others are dropped. */
  addAfter(key: string, ms: number): void
  /** Keys that wait for a worker; those that wait for their time are not among them. */
  depth(): number
  /** Starts nothing more; resolves when what was running has ended. May be called again. */
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
  /** Only keys whose last run failed are here, so it stays as small as the trouble is. */
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
      // In a turn of its own: `run` is no business of whoever adds a key, and one that adds its own key at once must
      // find it among the running ones.
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
      // There is no later; that a run was cut short by the stop is no news.
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

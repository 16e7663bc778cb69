import { isForbidden, isUnauthenticated, sentenceOf } from './dashboard-api.ts'

/** What a panel knows, and what it does not. */
export interface Known<T> {
  /** The last answer. It stays when the next ones fail, with `trouble`. */
  readonly value: T | undefined
  readonly readAt: number | undefined
  readonly trouble: Trouble | undefined
}

export interface Trouble {
  readonly kind: 'forbidden' | 'failed'
  readonly since: number
  readonly sentence: string
}

export interface Reading {
  start(): void
  /** Something has changed: reads again at once, or right after the answer that is under way. */
  refresh(): void
  /** What was asked for is another thing now: forgets the answer and reads again. */
  restart(): void
  stop(): void
}

interface ReadingOptions<T> {
  readonly ask: (signal: AbortSignal) => Promise<T>
  readonly show: (known: Known<T>) => void
  /** How often it is read when nothing is heard of a change. */
  readonly everyMs: number
}

/** Changes that come in a burst are read once; half of what "seen within a second" leaves. */
const burstMs = 150
/** An answer that takes longer is waited for visibly; a shorter one would only make the panel flicker. */
const slowMs = 200
/** After a failure: soon enough to see that it is over. */
const againMs = 3_000

/** Asks the API for one thing again and again while the page is looked at. Never two requests at once. */
export function createReading<T>({ ask, show, everyMs }: ReadingOptions<T>): Reading {
  let running: AbortController | undefined
  let known: Known<T> = { value: undefined, readAt: undefined, trouble: undefined }
  let wake = () => {}

  /** Until the time is over, or `wake`. */
  const wait = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })

  async function run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let isStale = false
      wake = () => {
        isStale = true
      }
      const next = await readOnce(signal)
      if (signal.aborted || next === undefined) return
      known = next
      show(known)
      if (!isStale) await wait(known.trouble?.kind === 'failed' ? againMs : everyMs)
      if (!signal.aborted) await wait(burstMs)
      while (document.hidden && !signal.aborted) await seenAgain(signal)
    }
  }

  /** undefined: the credential is not taken any more, and the page asks for another. */
  async function readOnce(signal: AbortSignal): Promise<Known<T> | undefined> {
    try {
      return { value: await ask(signal), readAt: Date.now(), trouble: undefined }
    } catch (error) {
      if (isUnauthenticated(error)) return undefined
      const since = known.trouble?.since ?? Date.now()
      if (isForbidden(error))
        return {
          value: undefined,
          readAt: undefined,
          trouble: { kind: 'forbidden', since, sentence: sentenceOf(error) },
        }
      return { ...known, trouble: { kind: 'failed', since, sentence: sentenceOf(error) } }
    }
  }

  function start(): void {
    running?.abort()
    running = new AbortController()
    const { signal } = running
    signal.addEventListener('abort', () => wake())
    setTimeout(() => {
      if (!signal.aborted && !known.value && !known.trouble) show(known)
    }, slowMs)
    void run(signal)
  }

  return {
    start,
    refresh: () => wake(),
    restart() {
      known = { value: undefined, readAt: undefined, trouble: undefined }
      start()
    },
    stop: () => running?.abort(),
  }
}

/** Nobody looks at a hidden page, so it asks for nothing. */
function seenAgain(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      document.removeEventListener('visibilitychange', done)
      signal.removeEventListener('abort', done)
      resolve()
    }
    document.addEventListener('visibilitychange', done)
    signal.addEventListener('abort', done)
  })
}

import { afterReads } from '../timing/after-reads.ts'

export type Overload = 'event-loop' | 'database'

interface OverloadLimits {
  /**
   * How late the event loop may be, ms. A busy replica is some 50 ms late, a collection of garbage 200 ms; at a second an
   * open has lost most of the time that a pod has for its acknowledgement.
   */
  readonly lateMs: number
  /**
   * Statements that may wait for a connection. A statement takes a millisecond or two and there are ten connections, so
   * these wait some 20 ms; a PostgreSQL that is slower lets them wait until they are refused.
   */
  readonly waitingStatements: number
}

const defaults: OverloadLimits = { lateMs: 1_000, waitingStatements: 100 }
const sampleMs = 250

interface OverloadDeps {
  /** Statements that wait for a connection now. */
  readonly waitingStatements: () => number
  readonly limits?: OverloadLimits
}

/** Tells whether this process has more to do than it can. The event loop counts as late after two looks in a row. */
export function watchOverload({ waitingStatements, limits = defaults }: OverloadDeps) {
  let dueAt = performance.now() + sampleMs
  let lateLooks = 0
  const timer = setInterval(() => {
    const now = performance.now()
    lateLooks = now - dueAt > limits.lateMs ? lateLooks + 1 : 0
    // A timer that is late fires once and then again after its interval.
    afterReads(() => {
      dueAt = performance.now() + sampleMs
      timer.refresh()
    })
  }, sampleMs)
  timer.unref()
  return {
    now: (): Overload | undefined => {
      if (lateLooks >= 2) return 'event-loop'
      return waitingStatements() > limits.waitingStatements ? 'database' : undefined
    },
    stop: (): void => clearInterval(timer),
  }
}

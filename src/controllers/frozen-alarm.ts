import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'

interface FrozenAlarmOptions {
  /** Label of `greenroom_absence_frozen`. Nothing else may set it: two writers would take back each other's alarm. */
  readonly what: 'pods' | 'forgotten'
  /** The line of the log. */
  readonly line: string
  /** The Event for people. */
  readonly note: (found: Found) => string
  readonly report: (reason: string, message: string) => void
  readonly metrics: Metrics
  readonly logger: Logger
}

interface Found {
  readonly missing: number
  readonly live: number
}

/** Tells that an absence guard has frozen: a gauge all the time, a line and an Event when it begins, and a line when it ends. */
export function createFrozenAlarm({ what, line, note, report, metrics, logger }: FrozenAlarmOptions) {
  let isOn = false
  return {
    isOn: (): boolean => isOn,
    show(frozen: boolean, found: Found): void {
      metrics.absenceFrozen.set({ what }, frozen ? 1 : 0)
      if (frozen && !isOn) {
        logger.error(found, `frozen: ${line}`)
        report('AbsenceFrozen', note(found))
      }
      if (!frozen && isOn) logger.info(found, 'no longer frozen')
      isOn = frozen
    },
    /** When a leadership begins or ends. */
    reset(): void {
      isOn = false
      metrics.absenceFrozen.set({ what }, 0)
    },
  }
}

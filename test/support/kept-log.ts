import { pino } from 'pino'
import type { Logger } from '../../src/logging.ts'

/** A logger that says nothing. */
export const silent: Logger = pino({ level: 'silent' })

/** A logger that keeps its lines. */
export function keptLog(level = 'debug'): { logger: Logger; lines: string[] } {
  const lines: string[] = []
  return { logger: pino({ level }, { write: (line) => lines.push(line) }), lines }
}

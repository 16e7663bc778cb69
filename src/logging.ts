import { type Logger, pino, stdTimeFunctions } from 'pino'

export type { Logger } from 'pino'

/** pino needs a path for each depth: the value itself, inside an object (`err`, `req`), and one deeper. */
const secretKeys = ['authorization', 'secrets', 'sessionToken', 'browserToken', 'token']

/**
 * One logger a process: JSON lines, constant messages with keys. Keys that may hold a credential or a session's secrets
 * are removed, so that a logged request gives nothing away.
 */
export function createLogger(options: { level: string; role: string; instance: string }): Logger {
  return pino({
    level: options.level,
    base: { role: options.role, instance: options.instance },
    timestamp: stdTimeFunctions.isoTime,
    redact: {
      paths: secretKeys.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]),
      remove: true,
    },
  })
}

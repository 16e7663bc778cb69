/** One JSON object per line on stdout: constant message plus keys. Never pass a body, a token or a secret. */
export type AgentLog = (
  level: 'info' | 'warn' | 'error',
  message: string,
  keys?: Readonly<Record<string, unknown>>,
) => void

export function createAgentLog(base: Readonly<Record<string, unknown>>): AgentLog {
  return (level, message, keys) => {
    const entry = { time: new Date().toISOString(), level, message, ...base, ...keys }
    process.stdout.write(`${JSON.stringify(entry)}\n`)
  }
}

/**
 * What is logged of an error in code that handles a session: its name, its code and where it was thrown. The message is
 * left out: a failed parse quotes what it parsed, and here that may be a secret.
 */
export function errorKeys(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { error: typeof error }
  const at = /\n\s+at (.*)/.exec(error.stack ?? '')?.[1]
  return { error: error.name, code: (error as NodeJS.ErrnoException).code, at }
}

import { parseArgs } from 'node:util'

/** Reads the flags of a command of the bed; a wrong one ends it with one sentence. */
export function readFlags<T extends Record<string, { type: 'string'; default: string }>>(options: T) {
  try {
    const { values } = parseArgs({ options, strict: true, allowPositionals: false })
    return values as unknown as { [K in keyof T]: string }
  } catch (error) {
    return leave((error as Error).message)
  }
}

/** A whole number of at least `least`, or the end of the command with one sentence. */
export function wholeNumber(name: string, text: string, least: number): number {
  const value = Number(text)
  return Number.isInteger(value) && value >= least
    ? value
    : leave(`--${name} takes a whole number of at least ${least}, not "${text}"`)
}

function leave(message: string): never {
  console.error(message)
  process.exit(2)
}

/** The LIVEKIT_* and OPENAI_API_KEY of whoever calls, as a .env would give them; none of them is needed. */
export function callersEnvironment() {
  const { LIVEKIT_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET, OPENAI_API_KEY } = process.env
  const liveKit = LIVEKIT_URL && LIVEKIT_API_KEY && LIVEKIT_API_SECRET
  return {
    apiEnv: liveKit ? { LIVEKIT_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET } : {},
    // Any value shows how a Secret reaches the agents; the echo agent calls nobody with it.
    openAiKey: OPENAI_API_KEY ?? 'sk-demo-not-a-real-key',
  }
}

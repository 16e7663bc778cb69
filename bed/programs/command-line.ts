import { parseArgs } from 'node:util'
import { canStartLiveKit } from '../servers/livekit-server.ts'

/** Reads the flags of a command of the bed. A wrong flag ends the command with one sentence. */
export function readFlags<T extends Record<string, { type: 'string'; default: string }>>(options: T) {
  try {
    const { values } = parseArgs({ options, strict: true, allowPositionals: false })
    return values as unknown as { [K in keyof T]: string }
  } catch (error) {
    return leave((error as Error).message)
  }
}

/** Returns a whole number of at least `least`. Anything else ends the command with one sentence. */
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

/**
 * LIVEKIT_* and OPENAI_API_KEY from the caller's environment, as a .env would set them. None of them is needed: without
 * LIVEKIT_* the bed has a LiveKit of its own, and without livekit-server it has no rooms, which is said once.
 */
export function callersEnvironment(say: (line: string) => void) {
  const { LIVEKIT_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET, OPENAI_API_KEY } = process.env
  const given =
    LIVEKIT_URL && LIVEKIT_API_KEY && LIVEKIT_API_SECRET
      ? { LIVEKIT_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET }
      : undefined
  const livekit = !given && canStartLiveKit()
  if (!given && !livekit) say('no rooms: livekit-server is missing here ("npm run setup" says what it needs)')
  return {
    livekit,
    apiEnv: given ?? {},
    controllerEnv: given ?? {},
    // Any value will do: it shows how a Secret reaches the agents, and the echo agent never uses it.
    openAiKey: OPENAI_API_KEY ?? 'sk-demo-not-a-real-key',
  }
}

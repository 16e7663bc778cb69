import { parseArgs } from 'node:util'
import { createClient } from '../client/client.ts'
import { GreenroomApiError } from '../client/client-error.ts'
import { GreenroomError } from '../errors.ts'
import { refusalOf, serverOf, serverOptions } from './ask-server.ts'
import type { CommandProgram } from './command.ts'

const usage = `usage: try-session [AGENT-TYPE] [--within SECONDS]
Opens a session as a caller does, waits for a pod if there is none, and ends it: what an installation is tried with.
AGENT-TYPE         the pool (default: echo-agent)
--within SECONDS   how long a pod is waited for (default: 60)
--server URL       the session API (default: GREENROOM_API_URL)
--key KEY          an API key (default: GREENROOM_API_KEY; of several, separated by commas, the first)
Exit code: 0 it was opened and ended; 1 it was not, and why; 2 the arguments are wrong.`

const notOpenedCode = 1
/** The client tries again what a server that is still starting refuses. */
const defaultWithinSeconds = 60
/** Longer than the grace period of an agent and what follows it. */
const endWithinMs = 60_000

export const trySession: CommandProgram = { usage, run: runTrySession }

/** The command: prints what happened and resolves with the exit code. */
async function runTrySession(argv: readonly string[]): Promise<number> {
  const { agentType, withinMs, url, apiKey } = readArguments(argv)
  const client = createClient({ url, apiKey })
  const begun = performance.now()
  const since = () => `${Math.round(performance.now() - begun)} ms`
  try {
    const session = await client.open({ agentType, onEmpty: 'wait' }, { requestTimeoutMs: withinMs })
    process.stdout.write(`opened ${session.id} on ${session.pod?.name ?? 'no pod'} after ${since()}\n`)
    const { reason } = await session.end({ requestTimeoutMs: endWithinMs })
    process.stdout.write(`ended (${reason ?? 'without a reason'}) after ${since()}\n`)
    return 0
  } catch (error) {
    const refusal = refusalOf(error)
    if (refusal === undefined || !(error instanceof GreenroomApiError)) throw error
    process.stderr.write(refusal)
    return notOpenedCode
  }
}

function readArguments(argv: readonly string[]) {
  const { values, positionals } = parsed(argv)
  const { within = String(defaultWithinSeconds), server, key } = values
  const seconds = Number(within)
  if (positionals.length > 1 || !Number.isFinite(seconds) || seconds <= 0)
    throw new GreenroomError('GRN_INVALID_CONFIG', `One agent type and a number of seconds.\n${usage}\n`)
  const { url, apiKey } = serverOf({ server, key })
  const [firstKey = ''] = apiKey.split(',')
  return {
    agentType: positionals[0] ?? 'echo-agent',
    withinMs: seconds * 1_000,
    url,
    apiKey: firstKey.trim(),
  }
}

function parsed(argv: readonly string[]) {
  try {
    const options = { within: { type: 'string' }, ...serverOptions } as const
    return parseArgs({ args: [...argv], allowPositionals: true, options })
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error)
    throw new GreenroomError('GRN_INVALID_CONFIG', `${problem}\n${usage}\n`)
  }
}

import { bareName } from './line/bare-name.ts'
import { action } from './line/command-spec.ts'
import { serverOptions } from './line/shared-options.ts'
import { wrongArguments } from './line/wrong-arguments.ts'
import { openServer } from './reach/server-connection.ts'

/** Longer than the grace period of an agent and what follows it. */
const endWithinMs = 60_000

export const trySession = action({
  summary: 'Open a session as a caller does, wait for a pod if there is none, and end it',
  about: 'What an installation is tried with. What a server that is still starting refuses is tried again.',
  arguments: [
    { name: 'AGENT-TYPE', help: 'the pool (echo-agent unless given)', kind: 'pool', optional: true },
  ],
  options: {
    within: { type: 'string', value: 'SECONDS', default: '60', help: 'how long a pod is waited for' },
    ...serverOptions,
  },
  examples: [{ line: 'greenroom try-session echo-agent --within 120', does: 'After an installation' }],
  async run({ words: [text = 'echo-agent'], options }) {
    const withinMs = Number(options.within) * 1_000
    if (!Number.isFinite(withinMs) || withinMs <= 0)
      throw wrongArguments(`--within ${options.within.slice(0, 40)} is not a number of seconds.`)
    await using server = await openServer(options)
    const begun = performance.now()
    const since = () => `${Math.round(performance.now() - begun)} ms`
    const session = await server.client.open(
      { agentType: bareName('pool', text), onEmpty: 'wait' },
      { requestTimeoutMs: withinMs },
    )
    process.stdout.write(`opened ${session.id} on ${session.pod?.name ?? 'no pod'} after ${since()}\n`)
    const { reason } = await session.end({ requestTimeoutMs: endWithinMs })
    process.stdout.write(`ended (${reason ?? 'without a reason'}) after ${since()}\n`)
  },
})

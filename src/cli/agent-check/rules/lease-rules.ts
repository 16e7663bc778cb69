import { exitInWords } from '../agent-process.ts'
import { type ContractRule, NotTried, RuleBroken } from '../contract-rule.ts'
import { expectEcho } from '../expect.ts'
import type { AgentCall } from '../pretended-session-server.ts'
import type { Trial } from '../trial.ts'
import { exitWithin } from './end-rules.ts'

/** An agent that renews does so after a third of this. */
const leaseMs = 3_000
const pollMs = 25

/** What an agent says to the session server, if it speaks to it at all: a caller can hold the lease as well. */
export const leaseRules: readonly ContractRule[] = [
  {
    rule: 'renews-rightly',
    title: 'renews its lease with the token and epoch of the session',
    fix: 'POST {apiUrl}/v1/sessions/{sessionId}/renew {"epoch"} with the bearer sessionToken, every third of leaseMs or after lease.renewAfterMs of the answer.',
    on: 'own',
    async check(trial) {
      const { sessionToken, epoch } = await assignLeased(trial)
      const renewal = await firstRenewal(trial)
      for (const call of trial.run.server.callsOf(trial.session?.sessionId ?? '')) {
        if (call.authorization !== `Bearer ${sessionToken}`)
          throw new RuleBroken(`${call.method} ${call.path} came without the bearer sessionToken`)
      }
      if (epochIn(renewal) !== epoch)
        throw new RuleBroken(`the renewal's body is ${JSON.stringify(renewal.body)}, not {"epoch":${epoch}}`)
      return 'renewed with its token and epoch'
    },
  },
  {
    rule: 'stale-epoch',
    title: 'stops when another epoch holds its session',
    fix: 'When a renewal is answered GRN_STALE_EPOCH, GRN_SESSION_OVER or GRN_SESSION_NOT_FOUND, stop the work and exit: the session is elsewhere.',
    on: 'own',
    async check(trial) {
      const { sessionId } = await assignLeased(trial)
      trial.run.server.makeStale(sessionId)
      await firstRenewal(trial)
      const exit = await exitWithin(trial, trial.run.limits.graceMs)
      if (!exit) throw new RuleBroken('still runs after a renewal was answered GRN_STALE_EPOCH')
      return `${exitInWords(exit)} after GRN_STALE_EPOCH`
    },
  },
]

async function assignLeased(trial: Trial) {
  const assignment = trial.newAssignment({ apiUrl: trial.run.server.url, leaseMs })
  expectEcho(await trial.assign(assignment), assignment)
  trial.session = assignment
  return assignment
}

/** @throws NotTried when it does not renew within the lease */
async function firstRenewal(trial: Trial): Promise<AgentCall> {
  const sessionId = trial.session?.sessionId ?? ''
  const deadline = performance.now() + leaseMs
  let isOver = false
  for (;;) {
    const renewal = trial.run.server.callsOf(sessionId).find(({ path }) => path.endsWith('/renew'))
    if (renewal) return renewal
    // Looked at once more when the agent has gone: it may renew and exit between two looks.
    if (isOver) break
    isOver = (await exitWithin(trial, pollMs)) !== undefined || performance.now() > deadline
  }
  throw new NotTried('the agent does not renew: its callers have to hold the lease')
}

function epochIn({ body }: AgentCall): unknown {
  try {
    return (JSON.parse(body) as { epoch?: unknown }).epoch
  } catch {
    return undefined
  }
}

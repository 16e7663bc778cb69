import { endPath } from '../../../domain/assign-contract.ts'
import { type AgentExit, exitInWords } from '../agent-process.ts'
import { type ContractRule, RuleBroken } from '../contract-rule.ts'
import { expectEcho, expectStatus, expectStillServing, sessionOf } from '../expect.ts'
import type { Trial } from '../trial.ts'

/** A process hears of a signal at once, but a busy machine may take this long to let it act. */
const reactionMs = 500
const pollMs = 25

/** How a session and a pod end. */
export const endRules: readonly ContractRule[] = [
  {
    rule: 'sigterm-exits',
    title: 'exits by itself after SIGTERM',
    fix: 'Handle SIGTERM: finish what is under way and exit with 0 within the grace time. Without a handler the first process of a container ignores it, and is killed after 30 s.',
    on: 'own',
    async check(trial) {
      trial.process.signal('SIGTERM')
      return expectExit(trial, 'SIGTERM')
    },
  },
  {
    rule: 'sigterm-unready',
    title: 'is not ready after SIGTERM, and takes nothing',
    fix: 'Once SIGTERM has come answer GET /ready with 503, and POST /assign too.',
    on: 'own',
    check: checkUnready,
  },
  {
    rule: 'end-exits',
    title: 'acknowledges the end of its session and exits',
    fix: 'Answer POST /end with the echo as /assign does, leave the room, and exit with 0 within the grace time.',
    on: 'own',
    async check(trial) {
      const assignment = trial.newAssignment()
      expectEcho(await trial.assign(assignment), assignment)
      const { sessionId, epoch } = assignment
      expectEcho(await trial.end({ sessionId, epoch }), assignment, 'POST /end')
      return expectExit(trial, 'POST /end')
    },
  },
  {
    rule: 'end-other-epoch',
    title: 'refuses the end of another epoch or session',
    fix: 'Compare session and epoch of POST /end with those held, and answer 409 when they differ.',
    on: 'serving',
    async check(trial) {
      const { sessionId, epoch } = sessionOf(trial)
      expectStatus(await trial.end({ sessionId, epoch: epoch + 1 }), 409, 'the end of another epoch')
      const other = trial.newAssignment().sessionId
      expectStatus(await trial.end({ sessionId: other, epoch }), 409, 'the end of another session')
      await expectStillServing(trial, 'the end of another epoch')
      return 'answered 409, and still serves its own'
    },
  },
  {
    rule: 'end-unsigned',
    title: 'refuses an end that is not signed',
    fix: 'Check the token of POST /end as that of POST /assign, and answer 401.',
    on: 'serving',
    async check(trial) {
      const { sessionId, epoch } = sessionOf(trial)
      const body = JSON.stringify({ sessionId, epoch, reason: 'ended:caller' })
      expectStatus(await trial.post(endPath, body), 401, 'an end without a token')
      const forged = trial.token(body, undefined, trial.run.keys.unknown)
      expectStatus(await trial.post(endPath, body, { token: forged }), 401, 'an end by an unknown key')
      await expectStillServing(trial, 'a forged end')
      return 'answered 401, and still serves its own'
    },
  },
]

async function expectExit(trial: Trial, after: string): Promise<string> {
  const startedAt = performance.now()
  const exit = await exitWithin(trial, trial.run.limits.graceMs)
  if (!exit) throw new RuleBroken(`still runs ${trial.run.limits.graceMs / 1_000} s after ${after}`)
  const tookMs = Math.round(performance.now() - startedAt)
  if (exit.code !== 0) throw new RuleBroken(`after ${after}: ${exitInWords(exit)}, not exit code 0`)
  return `exit code 0 after ${tookMs} ms`
}

/** undefined: it still runs. */
export function exitWithin({ process }: Trial, milliseconds: number): Promise<AgentExit | undefined> {
  const { promise: over, resolve } = Promise.withResolvers<undefined>()
  const timer = setTimeout(resolve, milliseconds, undefined)
  return Promise.race([process.exited, over]).finally(() => clearTimeout(timer))
}

/** Asks until the agent has gone, or has said no to both for a while. */
async function checkUnready(trial: Trial): Promise<string> {
  const startedAt = performance.now()
  const sinceMs = () => Math.round(performance.now() - startedAt)
  trial.process.signal('SIGTERM')
  let waitMs = reactionMs
  // Ten times are enough to see that it stays so; how long it may run is the matter of another rule.
  for (let refusals = 0; refusals < 10; refusals += 1) {
    if (await exitWithin(trial, waitMs)) return `gone ${sinceMs()} ms after SIGTERM`
    waitMs = pollMs
    const [ready, assigned] = [await trial.get('/ready'), await trial.assign(trial.newAssignment())]
    if (ready.status === 200) throw new RuleBroken(`GET /ready answered 200 ${sinceMs()} ms after SIGTERM`)
    if (assigned.status === 200) throw new RuleBroken(`took an assignment ${sinceMs()} ms after SIGTERM`)
  }
  return 'neither ready nor assignable while it shuts down'
}

import { type ContractRule, RuleBroken } from '../contract-rule.ts'
import { expectEcho, expectProbe } from '../expect.ts'

/** A rule about all agents of a run together, judged when the others have been tried. */
export interface RunRule extends Pick<ContractRule, 'rule' | 'title' | 'fix'> {
  /** Returns what was seen. @throws RuleBroken */
  readonly judge: (seen: WholeRun) => string
}

export interface WholeRun {
  readonly secrets: ReadonlySet<string>
  readonly answers: readonly string[]
  /** Standard output and error of each agent. */
  readonly outputs: readonly string[]
}

export const readOnlyRootRule: ContractRule = {
  rule: 'read-only-root',
  title: 'works with a read-only root file system',
  fix: 'Write to /tmp alone (or to TMPDIR): the policy makes every root file system read-only.',
  on: 'own',
  readOnlyRoot: true,
  async check(trial) {
    const assignment = trial.newAssignment()
    expectEcho(await trial.assign(assignment), assignment)
    await expectProbe(trial, '/ready', 'ready')
    return 'started and took a session'
  },
}

export const runRules: readonly RunRule[] = [
  {
    rule: 'no-secret-in-output',
    title: 'writes no secret and no token to its output',
    fix: 'Never log the body of /assign, its secrets, or tokens: logs are read by many and kept for long.',
    judge: ({ secrets, outputs }) => expectAbsent(secrets, outputs, 'output'),
  },
  {
    rule: 'no-secret-in-answers',
    title: 'repeats no secret and no token in an answer',
    fix: 'Keep errors of parsers and libraries out of answers: they quote what they were given.',
    judge: ({ secrets, answers }) => expectAbsent(secrets, answers, 'answers'),
  },
]

function expectAbsent(secrets: ReadonlySet<string>, texts: readonly string[], where: string): string {
  for (const secret of secrets) {
    if (texts.some((text) => text.includes(secret)))
      throw new RuleBroken(`the ${where} held ${kindOf(secret)}`)
  }
  return `${secrets.size} secrets were not in the ${where}`
}

/** Not the secret itself: the report may be kept. */
function kindOf(secret: string): string {
  if (secret.startsWith('sk-check-')) return 'a just-in-time secret'
  if (secret.startsWith('grs_')) return 'the session token'
  return secret.startsWith('room-token-') ? 'the room token' : 'a bearer token of the session server'
}

import { type Assignment, confirmPath } from '../../../domain/assign-contract.ts'
import { type ContractRule, NotTried, RuleBroken } from '../contract-rule.ts'
import { expectEcho, expectStatus, sessionOf } from '../expect.ts'
import type { Trial } from '../trial.ts'

/** What an agent says of its session when it is asked. Only one whose acknowledgement says `confirms` is asked. */
export const confirmRules: readonly ContractRule[] = [
  {
    rule: 'confirms-its-own',
    title: 'confirms the session that it serves, and no other',
    fix: 'Answer POST /confirm {"sessionId", "epoch", "seal"} with 200 and the echo for the session and epoch held, and with 404 and the code AGENT_UNASSIGNED for any other; check its token as that of POST /assign. Or leave "confirms" out of the echo.',
    on: 'serving',
    async check(trial) {
      const session = sessionOf(trial)
      await expectConfirms(trial, session)
      const { sessionId, epoch } = session
      expectEcho(
        await trial.confirm({ sessionId, epoch, seal: true }),
        session,
        'the question for its session',
      )
      const unsigned = JSON.stringify({ sessionId, epoch, seal: true })
      expectStatus(await trial.post(confirmPath, unsigned), 401, 'a question without a token')
      const others = [
        { sessionId, epoch: epoch + 1 },
        { sessionId: trial.newAssignment().sessionId, epoch },
      ]
      for (const other of others) {
        const answer = await trial.confirm({ ...other, seal: true })
        expectStatus(
          answer,
          404,
          `the question for ${other.sessionId === sessionId ? 'another epoch' : 'another session'}`,
        )
        expectUnassigned(answer.body)
      }
      return 'confirmed its own alone'
    },
  },
  {
    rule: 'sealed',
    title: 'takes no session any more once it has said so for good',
    fix: 'When POST /confirm comes with "seal": true and there is no session, answer 404 with the code AGENT_UNASSIGNED, and refuse every POST /assign from then on. Without "seal" change nothing.',
    on: 'own',
    async check(trial) {
      const asked = trial.newAssignment()
      const { sessionId, epoch } = asked
      const first = await trial.confirm({ sessionId, epoch, seal: false })
      const last = await trial.confirm({ sessionId, epoch, seal: true })
      const assigned = await trial.assign(asked)
      // Only an acknowledgement tells whether it confirms at all.
      if (assigned.status === 200) await expectConfirms(trial, asked)
      for (const answer of [first, last]) {
        expectStatus(answer, 404, 'the question for a session that it does not serve')
        expectUnassigned(answer.body)
      }
      if (assigned.status === 200) throw new RuleBroken('took the session that it had denied for good')
      return 'denied it, and took nothing afterwards'
    },
  },
]

/** @throws NotTried for an agent that does not say that it confirms: it is never asked. */
async function expectConfirms(trial: Trial, session: Assignment): Promise<void> {
  const { body } = await trial.assign(session)
  if (!/"confirms"\s*:\s*true/.test(body))
    throw new NotTried('the agent does not confirm: its opens wait for PostgreSQL once more')
}

function expectUnassigned(body: string): void {
  if (!/"code"\s*:\s*"AGENT_UNASSIGNED"/.test(body))
    throw new RuleBroken('answered 404 without the code AGENT_UNASSIGNED')
}

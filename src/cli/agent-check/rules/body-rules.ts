import { assignPath } from '../../../domain/assign-contract.ts'
import type { ContractRule } from '../contract-rule.ts'
import { expectProbe, expectStatus } from '../expect.ts'
import type { Trial } from '../trial.ts'

/** Beyond the 256 KiB that an agent has to take, and so much that no agent should keep it. */
const tooLargeBytes = 2 * 1024 * 1024

/** Bodies that are no assignment. */
export const bodyRules: readonly ContractRule[] = [
  {
    rule: 'no-json',
    title: 'answers 400 to a body that is no JSON',
    fix: 'Check the token, then parse the body, and answer 400 when that fails. Do not crash.',
    on: 'idle',
    async check(trial) {
      for (const body of ['{"sessionId":', Buffer.from([0xff, 0xfe, 0x00])])
        expectStatus(await postSigned(trial, body), 400, 'a body that is no JSON')
      await expectProbe(trial, '/ready', 'ready')
      return 'answered 400, and is still ready'
    },
  },
  {
    rule: 'bad-form',
    title: 'answers 400 to JSON that is no assignment',
    fix: 'Check that the required members are there and have their types, and answer 400 when not.',
    on: 'idle',
    async check(trial) {
      const assignment = trial.newAssignment()
      const { sessionToken: _sessionToken, ...without } = assignment
      const bad = {
        'a list': [],
        'an epoch that is text': { ...assignment, epoch: '1' },
        'no sessionToken': without,
      }
      for (const [what, content] of Object.entries(bad))
        expectStatus(await postSigned(trial, JSON.stringify(content)), 400, what)
      await expectProbe(trial, '/ready', 'ready')
      return 'answered 400, and is still ready'
    },
  },
  {
    rule: 'large-body',
    title: 'answers 413 to a body that is too large',
    fix: 'Stop reading beyond 256 KiB and answer 413, whoever sends it: anyone in the network could fill the memory.',
    on: 'idle',
    async check(trial) {
      const body = JSON.stringify(trial.newAssignment({ metadata: { text: 'x'.repeat(tooLargeBytes) } }))
      const answer = await trial.post(assignPath, body)
      // The agent may cut the connection while we still send: then the answer is lost, and that is right as well.
      const seen =
        answer.status === 0 && /ECONNRESET|EPIPE/.test(answer.body)
          ? 'cut the connection'
          : expectStatus(answer, 413, `${tooLargeBytes / 1024 / 1024} MiB without a token`)
      await expectProbe(trial, '/ready', 'ready')
      return `${seen}, and is still ready`
    },
  },
]

function postSigned(trial: Trial, body: string | Buffer) {
  return trial.post(assignPath, body, { token: trial.token(body) })
}

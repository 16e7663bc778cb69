import { type ContractRule, RuleBroken } from '../contract-rule.ts'
import { expectEcho, expectProbe, expectStatus, expectStillServing, sessionOf } from '../expect.ts'

/** Which assignments are taken, and how often. */
export const assignRules: readonly ContractRule[] = [
  {
    rule: 'acknowledges',
    title: 'takes an assignment and says which',
    fix: 'Answer POST /assign within 1.5 s with 200 {"podUid", "sessionId", "epoch"} of the assignment. Do long work afterwards.',
    on: 'own',
    async check(trial) {
      const assignment = trial.newAssignment()
      return expectEcho(await trial.assign(assignment), assignment)
    },
  },
  {
    rule: 'livekit-away',
    title: 'acknowledges while LiveKit does not answer',
    fix: 'Join the room in the background, after the answer to POST /assign. Try again until it works.',
    on: 'own',
    async check(trial) {
      const assignment = trial.newAssignment({ livekit: trial.newLiveKit() })
      const seen = expectEcho(
        await trial.assign(assignment),
        assignment,
        'an assignment with a silent LiveKit',
      )
      await expectProbe(trial, '/ready', 'ready')
      return seen
    },
  },
  {
    rule: 'optional-parts',
    title: 'takes an assignment with its required parts alone',
    fix: 'Treat livekit, metadata, secrets and apiUrl as optional.',
    on: 'own',
    async check(trial) {
      const { metadata: _metadata, secrets: _secrets, ...required } = trial.newAssignment()
      return expectEcho(await trial.assign(required), required, 'an assignment without optional parts')
    },
  },
  {
    rule: 'new-parts',
    title: 'takes an assignment with parts that it does not know',
    fix: 'Ignore unknown members of the body: newer session servers may send more.',
    on: 'own',
    async check(trial) {
      const assignment = { ...trial.newAssignment(), partOfALaterVersion: { nested: [1, 2, 3] } }
      return expectEcho(await trial.assign(assignment), assignment, 'an assignment with an unknown member')
    },
  },
  {
    rule: 'large-assignment',
    title: 'takes an assignment of 200 KiB',
    fix: 'Accept bodies of up to 256 KiB: a session may have that much metadata and secrets.',
    on: 'own',
    async check(trial) {
      const assignment = trial.newAssignment({ metadata: { document: 'é'.repeat(100 * 1024) } })
      return expectEcho(await trial.assign(assignment), assignment, 'an assignment of 200 KiB')
    },
  },
  {
    rule: 'repeated',
    title: 'acknowledges the same session and epoch again',
    fix: 'Answer 200 with the echo when session and epoch are those already held, and do not start the work twice.',
    on: 'serving',
    async check(trial) {
      const session = sessionOf(trial)
      return expectEcho(await trial.assign(session), session, 'the same assignment again')
    },
  },
  {
    rule: 'repeated-with-new-token',
    title: 'acknowledges the repeat that brings a new room token',
    fix: 'Compare session and epoch alone. A repeat has no secrets, and its livekit replaces the one before.',
    on: 'serving',
    async check(trial) {
      const { secrets: _secrets, ...session } = sessionOf(trial)
      const repeat = { ...session, livekit: trial.newLiveKit() }
      return expectEcho(await trial.assign(repeat), repeat, 'a repeat with a new livekit and no secrets')
    },
  },
  {
    rule: 'other-epoch',
    title: 'refuses its session in another epoch',
    fix: 'Answer 409 when the session is held in another epoch, older or newer.',
    on: 'serving',
    async check(trial) {
      const session = sessionOf(trial)
      for (const epoch of [session.epoch + 1, session.epoch + 7])
        expectStatus(
          await trial.assign({ ...session, epoch }),
          409,
          `epoch ${epoch} of the session it serves in ${session.epoch}`,
        )
      await expectStillServing(trial, 'another epoch')
      return 'answered 409, and still serves its own'
    },
  },
  {
    rule: 'other-session',
    title: 'refuses another session',
    fix: 'A pod serves one session in its life: answer 409 to every other.',
    on: 'serving',
    async check(trial) {
      expectStatus(await trial.assign(trial.newAssignment()), 409, 'another session')
      await expectStillServing(trial, 'another session')
      return 'answered 409, and still serves its own'
    },
  },
  {
    rule: 'two-at-once',
    title: 'takes one of two sessions that come at once',
    fix: 'Decide and note the session in one step, before anything is awaited or another thread is served.',
    on: 'own',
    async check(trial) {
      const wanted = [1, 2, 3, 4].map(() => trial.newAssignment())
      const answers = await Promise.all(wanted.map((assignment) => trial.assign(assignment)))
      const statuses = answers.map(({ status }) => status).toSorted((a, b) => a - b)
      if (statuses.join() !== '200,409,409,409')
        throw new RuleBroken(
          `four sessions at once were answered ${statuses.join(', ')}, not 200 and three times 409`,
        )
      const winner = wanted[answers.findIndex(({ status }) => status === 200)]
      if (winner) expectEcho(await trial.assign(winner), winner, 'the session that won, again')
      return 'of four sessions at once one was answered 200, three 409'
    },
  },
  {
    rule: 'other-type',
    title: 'refuses an assignment for another agent type',
    fix: 'Compare agentType with GREENROOM_AGENT_TYPE, if that is set, and answer 409. Stay idle.',
    on: 'idle',
    async check(trial) {
      const assignment = trial.newAssignment({ agentType: 'another-agent-type' })
      const seen = expectStatus(await trial.assign(assignment), 409, 'another agent type')
      await expectProbe(trial, '/ready', 'ready')
      return seen
    },
  },
]

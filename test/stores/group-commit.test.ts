import fc from 'fast-check'
import t from 'tap'
import {
  createGroupCommit,
  type GroupResult,
  NotSentError,
  runEachAlone,
} from '../../src/stores/group-commit.ts'
import { until } from '../support/until.ts'

const ok = <T>(value: T): GroupResult<T> => ({ ok: true, value })

/** Runs groups when told to. */
function heldRuns() {
  const groups: { inputs: readonly number[]; answer: (results?: readonly GroupResult<number>[]) => void }[] =
    []
  const run = (inputs: readonly number[]) =>
    new Promise<readonly GroupResult<number>[]>((resolve) => {
      groups.push({ inputs, answer: (results) => resolve(results ?? inputs.map((input) => ok(input * 10))) })
    })
  return { groups, run }
}

void t.test('what arrives while a statement is on its way goes with the next', async (t) => {
  const { groups, run } = heldRuns()
  const submit = createGroupCommit({
    run,
    maxSize: 3,
    maxInFlight: 1,
    maxWaitMs: 5_000,
    answerWithinMs: 10_000,
  })
  const first = submit(1)
  await until('the first group', () => groups.length === 1)
  const rest = [2, 3, 4, 5].map((input) => submit(input))
  t.same(groups[0]?.inputs, [1])
  groups[0]?.answer()
  t.equal(await first, 10)
  await until('the second group', () => groups.length === 2)
  t.same(groups[1]?.inputs, [2, 3, 4], 'bounded in size')
  groups[1]?.answer()
  await until('the third group', () => groups.length === 3)
  groups[2]?.answer()
  t.same(await Promise.all(rest), [20, 30, 40, 50])
})

void t.test('a burst of one turn is one group', async (t) => {
  const { groups, run } = heldRuns()
  const submit = createGroupCommit({
    run,
    maxSize: 64,
    maxInFlight: 2,
    maxWaitMs: 5_000,
    answerWithinMs: 10_000,
  })
  const all = Promise.all([1, 2, 3].map((input) => submit(input)))
  await until('the group', () => groups.length === 1)
  t.same(groups[0]?.inputs, [1, 2, 3])
  groups[0]?.answer()
  t.same(await all, [10, 20, 30])
})

void t.test('one failure does not fail its neighbours; a group without answer fails all of it', async (t) => {
  const { groups, run } = heldRuns()
  const submit = createGroupCommit({
    run,
    maxSize: 8,
    maxInFlight: 1,
    maxWaitMs: 5_000,
    answerWithinMs: 10_000,
  })
  const settled = Promise.allSettled([submit(1), submit(2), submit(3)])
  await until('the group', () => groups.length === 1)
  groups[0]?.answer([ok(10), { ok: false, error: new Error('mine') }])
  t.match(await settled, [
    { status: 'fulfilled', value: 10 },
    { status: 'rejected', reason: { message: 'mine' } },
    { status: 'rejected', reason: { message: /fewer results/ } },
  ])
  const throwing = createGroupCommit<number, number>({
    run: () => Promise.reject(new Error('all')),
    maxSize: 8,
    maxInFlight: 1,
    maxWaitMs: 5_000,
    answerWithinMs: 10_000,
  })
  t.match(await Promise.allSettled([throwing(1), throwing(2)]), [
    { reason: { message: 'all' } },
    { reason: { message: 'all' } },
  ])
})

void t.test('what waited too long is refused and never run', async (t) => {
  const { groups, run } = heldRuns()
  const submit = createGroupCommit({ run, maxSize: 8, maxInFlight: 1, maxWaitMs: 30, answerWithinMs: 10_000 })
  const first = submit(1)
  await until('the first group', () => groups.length === 1)
  const late = await submit(2).catch((error: unknown) => error)
  t.ok(late instanceof NotSentError)
  t.match(late, { code: 'GRN_DATABASE_UNAVAILABLE', retryAfterMs: 1_000 })
  groups[0]?.answer()
  await first
  const third = submit(3)
  await until('the group after it', () => groups.length === 2)
  t.same(groups[1]?.inputs, [3])
  groups[1]?.answer()
  await third
})

void t.test(
  'a statement that does not come back: everybody is answered in time, the next ones too',
  async (t) => {
    const { groups, run } = heldRuns()
    const submit = createGroupCommit({ run, maxSize: 8, maxInFlight: 1, maxWaitMs: 60, answerWithinMs: 120 })
    const begun = performance.now()
    const answers = [submit(1), submit(2)].map((answer) => answer.catch((error: unknown) => error))
    await until('the group', () => groups.length === 1)
    const behind = await submit(3).catch((error: unknown) => error)
    t.ok(behind instanceof NotSentError, 'never sent')
    for (const answer of await Promise.all(answers)) {
      t.match(answer, { code: 'GRN_DATABASE_UNAVAILABLE', retryAfterMs: 1_000 })
      t.notOk(answer instanceof NotSentError, 'its outcome is unknown')
    }
    t.ok(performance.now() - begun >= 110)
    groups[0]?.answer()
    const next = submit(4)
    await until('the next group', () => groups.length === 2)
    groups[1]?.answer()
    t.equal(await next, 40, 'as if nothing had been')
  },
)

void t.test(
  'each alone: one that hangs holds nobody up, and nothing is sent for callers that are gone',
  async (t) => {
    const sent: number[] = []
    const run = async (input: number): Promise<GroupResult<number>> => {
      sent.push(input)
      if (input === 0) await new Promise((resolve) => setTimeout(resolve, 50))
      return input === 0 ? { ok: false, error: new Error('held') } : ok(input)
    }
    const inputs = Array.from({ length: 20 }, (_, n) => n)
    const results = await runEachAlone(inputs, run, performance.now() + 10_000)
    t.match(results[0], { ok: false, error: { message: 'held' } })
    t.strictSame(results.slice(1), inputs.slice(1).map(ok))
    sent.length = 0
    const late = await runEachAlone(inputs, run, performance.now() - 1)
    t.strictSame(sent, [])
    t.ok(late.every((result) => !result.ok && result.error instanceof NotSentError))
  },
)

void t.test('property: everybody is answered once, with the answer to his own input', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.integer(), { maxLength: 12 }), { maxLength: 12 }),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 3 }),
      async (turns, maxSize, maxInFlight) => {
        let running = 0
        let most = 0
        const submit = createGroupCommit<number, string>({
          async run(inputs) {
            running += 1
            most = Math.max(most, running)
            if (inputs.length > maxSize) throw new Error('too large')
            await new Promise((resolve) => setImmediate(resolve))
            running -= 1
            return inputs.map((input) => ok(`answer ${input}`))
          },
          maxSize,
          maxInFlight,
          maxWaitMs: 5_000,
          answerWithinMs: 10_000,
        })
        const answers: Promise<string>[] = []
        for (const turn of turns) {
          for (const input of turn) answers.push(submit(input))
          await new Promise((resolve) => setImmediate(resolve))
        }
        const given = await Promise.all(answers)
        return (
          most <= maxInFlight && given.every((answer, index) => answer === `answer ${turns.flat()[index]}`)
        )
      },
    ),
    { numRuns: 60 },
  )
})

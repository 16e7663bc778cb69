import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import t from 'tap'
import { until } from '../../bed/processes/until.ts'
import { createGroupCommit, NotSentError } from '../../src/stores/group-commit.ts'

/** Nothing is refused, and no time runs out, but where a test says so. */
const settings = {
  failsAll: () => false,
  leastLeftMs: 0,
  patienceMs: 0,
  maxSize: 8,
  maxInFlight: 1,
  maxWaitMs: 5_000,
  answerWithinMs: 10_000,
}

/** Runs groups when told to. */
function heldRuns() {
  const groups: {
    inputs: readonly number[]
    answer: (outputs?: readonly number[]) => void
    fail: () => void
  }[] = []
  const run = (inputs: readonly number[]) =>
    new Promise<readonly number[]>((resolve, reject) => {
      groups.push({
        inputs,
        answer: (outputs) => resolve(outputs ?? inputs.map((input) => input * 10)),
        fail: () => reject(new Error(`failed with ${inputs.join()}`)),
      })
    })
  return { groups, run }
}

void t.test('what arrives while a statement is on its way goes with the next', async (t) => {
  const { groups, run } = heldRuns()
  const submit = createGroupCommit({ ...settings, run, maxSize: 3 })
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
  const submit = createGroupCommit({ ...settings, run, maxSize: 64, maxInFlight: 2 })
  const all = Promise.all([1, 2, 3].map((input) => submit(input)))
  await until('the group', () => groups.length === 1)
  t.same(groups[0]?.inputs, [1, 2, 3])
  groups[0]?.answer()
  t.same(await all, [10, 20, 30])
})

/** Small groups, and time enough that only what a test does ends a wait. */
const twoAtOnce = { ...settings, maxSize: 3, maxInFlight: 2, maxWaitMs: 120_000, answerWithinMs: 120_000 }

void t.test('the next group waits for the answer to the last one, unless it is full', async (t) => {
  const { groups, run } = heldRuns()
  const submit = createGroupCommit({
    ...twoAtOnce,
    run,
    patienceMs: 60_000,
  })
  const answers = [submit(1)]
  await until('the first group', () => groups.length === 1)
  answers.push(submit(2))
  await setImmediate()
  answers.push(submit(3))
  await setImmediate()
  t.equal(groups.length, 1, 'a connection is free, and yet they wait')
  groups[0]?.answer()
  await until('the second group', () => groups.length === 2)
  t.same(groups[1]?.inputs, [2, 3])
  answers.push(...[4, 5, 6, 7].map((input) => submit(input)))
  await until('the full group', () => groups.length === 3)
  t.same(groups[2]?.inputs, [4, 5, 6])
  groups[1]?.answer()
  groups[2]?.answer()
  await until('the last group', () => groups.length === 4)
  groups[3]?.answer()
  t.same(await Promise.all(answers), [10, 20, 30, 40, 50, 60, 70])
})

void t.test('a statement that is held up holds up nobody for longer than the patience', async (t) => {
  const { groups, run } = heldRuns()
  const submit = createGroupCommit({
    ...twoAtOnce,
    run,
    patienceMs: 300,
  })
  const held = submit(1)
  await until('the first group', () => groups.length === 1)
  const next = submit(2)
  await until('the second group', () => groups.length === 2)
  const later = submit(3)
  groups[1]?.answer()
  t.equal(await next, 20)
  await until('the third group', () => groups.length === 3)
  groups[2]?.answer()
  t.equal(await later, 30, 'also what comes after it')
  groups[0]?.answer()
  t.equal(await held, 10)
})

void t.test('one failure does not fail its neighbours, and holds none of them up', async (t) => {
  const sent: (readonly number[])[] = []
  const held = Promise.withResolvers<void>()
  const submit = createGroupCommit<number, number>({
    ...settings,
    async run(inputs) {
      sent.push(inputs)
      if (inputs.length > 1) throw new Error('of all')
      if (inputs[0] === 0) {
        await held.promise
        throw new Error('mine')
      }
      return inputs.map((input) => input * 10)
    },
    maxSize: 32,
  })
  const answers = Array.from({ length: 20 }, (_, n) => submit(n))
  t.same(
    await Promise.all(answers.slice(1)),
    Array.from({ length: 19 }, (_, n) => (n + 1) * 10),
  )
  held.resolve()
  t.match(await answers[0]?.catch((error: unknown) => error), { message: 'mine' })
  t.equal(sent.length, 21, 'the group, and each of it')
})

void t.test('an error that is the same for all fails all, at once', async (t) => {
  let runs = 0
  const submit = createGroupCommit<number, number>({
    ...settings,
    failsAll: () => true,
    run: () => Promise.reject(new Error(`run ${(runs += 1)}`)),
  })
  t.match(await Promise.allSettled([submit(1), submit(2)]), [
    { reason: { message: 'run 1' } },
    { reason: { message: 'run 1' } },
  ])
})

void t.test('a group that failed late is not tried one by one: its callers would be gone', async (t) => {
  const { groups, run } = heldRuns()
  const submit = createGroupCommit({
    ...settings,
    leastLeftMs: 10_000,
    patienceMs: 0,
    run,
  })
  const settled = Promise.allSettled([submit(1), submit(2)])
  await until('the group', () => groups.length === 1)
  groups[0]?.fail()
  for (const outcome of await settled)
    t.ok(outcome.status === 'rejected' && outcome.reason instanceof NotSentError)
  t.equal(groups.length, 1)
})

void t.test(
  'a statement with another number of answers than inputs is an error, not a wrong answer',
  async (t) => {
    const { groups, run } = heldRuns()
    const submit = createGroupCommit({
      ...settings,
      failsAll: () => true,
      run,
    })
    const settled = Promise.allSettled([submit(1), submit(2)])
    await until('the group', () => groups.length === 1)
    groups[0]?.answer([10])
    t.match(await settled, [
      { reason: { message: /another number/ } },
      { reason: { message: /another number/ } },
    ])
  },
)

void t.test('what waited too long is refused and never run', async (t) => {
  const { groups, run } = heldRuns()
  const submit = createGroupCommit({ ...settings, run, maxWaitMs: 30 })
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
    const submit = createGroupCommit({ ...settings, run, maxWaitMs: 60, answerWithinMs: 120 })
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
          ...settings,
          async run(inputs) {
            running += 1
            most = Math.max(most, running)
            if (inputs.length > maxSize) throw new Error('too large')
            await setImmediate()
            running -= 1
            return inputs.map((input) => `answer ${input}`)
          },
          maxSize,
          maxInFlight,
        })
        const answers: Promise<string>[] = []
        for (const turn of turns) {
          for (const input of turn) answers.push(submit(input))
          await setImmediate()
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

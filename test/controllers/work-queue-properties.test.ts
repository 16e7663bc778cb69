import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import t from 'tap'
import { createWorkQueue } from '../../src/controllers/work-queue.ts'
import { createFakeClock } from './work-queue-scene.ts'

void t.test('no add is lost, no key beside itself, never more than the workers', async () => {
  const action = fc.oneof(
    fc.record({ kind: fc.constant('add' as const), key: fc.constantFrom('a', 'b', 'c', 'd') }),
    fc.record({
      kind: fc.constant('addAfter' as const),
      key: fc.constantFrom('a', 'b', 'c', 'd'),
      ms: fc.nat({ max: 200 }),
    }),
    fc.record({ kind: fc.constant('end' as const), at: fc.nat({ max: 3 }), fails: fc.boolean() }),
    fc.record({ kind: fc.constant('advance' as const), ms: fc.nat({ max: 100 }) }),
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(action, { maxLength: 40 }),
      fc.integer({ min: 1, max: 3 }),
      async (actions, workers) => {
        const { clock, advance } = createFakeClock()
        const active: { key: string; end: (fails: boolean) => void }[] = []
        /** Keys asked for since their last run began. */
        const owed = new Set<string>()
        const queue = createWorkQueue({
          workers,
          clock,
          log: { error: () => undefined },
          run: (key) => {
            assert.ok(!active.some((run) => run.key === key), `${key} runs beside itself`)
            assert.ok(active.length < workers, 'more runs than workers')
            owed.delete(key)
            const { promise, resolve, reject } = Promise.withResolvers<void>()
            active.push({ key, end: (fails) => (fails ? reject(new Error('fails')) : resolve()) })
            return promise
          },
        })
        const endOne = async (at: number, fails: boolean): Promise<void> => {
          const [run] = active.splice(at % active.length, 1)
          if (run && fails) owed.add(run.key)
          run?.end(fails)
          await turn()
        }
        for (const step of actions) {
          if (step.kind === 'advance') await advance(step.ms)
          else if (step.kind === 'end') {
            if (active.length > 0) await endOne(step.at, step.fails)
          } else {
            owed.add(step.key)
            if (step.kind === 'add') queue.add(step.key)
            else queue.addAfter(step.key, step.ms)
            await turn()
          }
        }
        for (let rounds = 0; rounds < 200 && (active.length > 0 || owed.size > 0); rounds += 1) {
          while (active.length > 0) await endOne(0, false)
          await advance(30_000)
        }
        assert.deepEqual([...owed], [], 'lost')
        assert.equal(queue.depth(), 0)
        await queue.stop()
      },
    ),
    { numRuns: 150 },
  )
})

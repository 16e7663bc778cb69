import t from 'tap'
import { poolProblem } from '../../src/domain/pool-problem.ts'
import { createEmptyPool } from '../../src/sessions/empty-pool.ts'

const pool = {
  agentType: 'echo-agent',
  sentence: 'No pod of echo-agent was free in time.',
  retryAfterMs: 2_000,
}

void t.test('without a problem the refill rate tells when to come again', async (t) => {
  const emptyPool = createEmptyPool({ read: async () => undefined })
  t.match(await emptyPool(pool), { code: 'GRN_POOL_EMPTY', message: pool.sentence, retryAfterMs: 2_000 })
})

void t.test('a caller reads what keeps the pool empty, and comes again after the next try', async (t) => {
  const since = Date.now() - 60_000
  const errorAt = (nextTryAt: number | undefined) =>
    createEmptyPool({
      read: async () => ({
        boundBy: 'backoff',
        message: 'ErrImagePull',
        problem: poolProblem({
          cause: 'image',
          message: 'ErrImagePull',
          count: 3,
          since,
          lastAt: since,
          nextTryAt,
        }),
      }),
    })(pool)
  const error = await errorAt(Date.now() + 9_000)
  t.match(
    error.message,
    /free in time\. Since .* the pool does not get its pods\. image: ErrImagePull\. Correct/,
  )
  t.ok((error.retryAfterMs ?? 0) > 9_000 && (error.retryAfterMs ?? 0) <= 10_000)
  t.equal((await errorAt(Date.now() + 600_000)).retryAfterMs, 30_000, 'nobody should stay away longer')
  t.equal((await errorAt(undefined)).retryAfterMs, 2_000)
})

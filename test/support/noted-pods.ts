import type { Postgres } from '../../src/stores/postgres-client.ts'
import { createPostgresPoolPods } from '../../src/stores/postgres-pool-pods.ts'

/** What the fake pods of tests have as the digest of what runs in them. */
export const madeDigest = 'as it was made'

/** And the template that they were made from, where no test says another. */
export const madeTemplate = 'h1'

/** As if the controller had made these pods: they can be claimed, and from now on no others can. */
export async function notePods(
  postgres: Pick<Postgres, 'durable'>,
  podUids: readonly string[],
  { agentType = 'echo-agent', madeFrom = madeTemplate } = {},
): Promise<void> {
  const pods = podUids.map((podUid) => ({
    podUid,
    agentType,
    templateHash: madeFrom,
    specDigest: madeDigest,
  }))
  await createPostgresPoolPods(postgres).adopt(pods)
}

import type { Postgres } from '../../src/stores/postgres-client.ts'
import { createPostgresPoolPods } from '../../src/stores/postgres-pool-pods.ts'

/** What the fake pods of tests have as the digest of what runs in them. */
export const madeDigest = 'as it was made'

/** As if the controller had made these pods: they can be claimed, and from now on no others can. */
export async function notePods(
  postgres: Pick<Postgres, 'durable'>,
  podUids: readonly string[],
  agentType = 'echo-agent',
): Promise<void> {
  const pods = podUids.map((podUid) => ({ podUid, agentType, specDigest: madeDigest }))
  await createPostgresPoolPods(postgres).adopt(pods)
}

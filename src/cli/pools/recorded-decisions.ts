import { loadConfig } from '../../config.ts'
import type { PoolDecision } from '../../domain/pool-decision.ts'
import type { SizingLedger } from '../../domain/sizing-ports.ts'
import { createLogger } from '../../logging.ts'
import { createPostgres } from '../../stores/postgres-client.ts'
import { createPostgresPoolSizing } from '../../stores/postgres-pool-sizing.ts'

/** Of each pool. */
export const mostDecisions = 10_000

/** What PostgreSQL has recorded of one pool, or of all; oldest first. */
export function recordedDecisions(
  agentType: string | undefined,
  most = mostDecisions,
): Promise<PoolDecision[]> {
  return withLedger(async (ledger) => {
    const types = agentType === undefined ? await ledger.pools() : [agentType]
    const found: PoolDecision[] = []
    for (const type of types) found.push(...(await ledger.decisions(type, most)))
    return found
  })
}

async function withLedger<T>(work: (ledger: SizingLedger) => Promise<T>): Promise<T> {
  const config = loadConfig('pools')
  const logger = createLogger({ level: 'silent', role: 'pools', instance: config.HOSTNAME })
  const postgres = createPostgres(config.DATABASE_URL, logger, 1)
  try {
    return await work(createPostgresPoolSizing(postgres))
  } finally {
    await postgres.close()
  }
}

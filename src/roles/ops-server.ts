import type { Lifecycle } from '../lifecycle.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'
import { createOpsApp } from '../serving/ops-app.ts'
import type { CheckState, ReadinessChecks } from '../serving/service-routes.ts'

interface OpsServerDeps {
  readonly lifecycle: Lifecycle
  readonly logger: Logger
  readonly metrics: Metrics
}

interface OpsPart {
  readonly host: string
  readonly port: number
  readonly checks: ReadinessChecks
}

/**
 * The server for operators, one in each process: metrics, and what readiness waits for. It stands apart from the public
 * port, because metrics name agent types and loads, and checks name the parts that are down. The first role of the process
 * opens it; the checks of each role stand under the role's name.
 */
export function createOpsServer({ lifecycle, logger, metrics }: OpsServerDeps) {
  const parts = new Map<string, ReadinessChecks>()

  function checks(): Readonly<Record<string, CheckState>> {
    const entries = [...parts].flatMap(([role, its]) =>
      Object.entries(its()).map(([name, state]) => [`${role}/${name}`, state] as const),
    )
    return Object.fromEntries(entries)
  }

  return {
    async add(role: string, part: OpsPart): Promise<void> {
      parts.set(role, part.checks)
      if (parts.size > 1) return
      const app = await createOpsApp({ logger, registry: metrics.registry, checks })
      await lifecycle.start({
        name: 'ops server',
        async start() {
          const url = await app.listen({ host: part.host, port: part.port })
          logger.info({ url }, 'ops server is listening')
        },
        stop: () => app.close(),
      })
    },
  }
}

export type OpsServer = ReturnType<typeof createOpsServer>

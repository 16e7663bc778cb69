import type { Lifecycle } from '../lifecycle.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'
import type { OpsServer } from './ops-server.ts'

/** What every role gets from the process it runs in. */
export interface RoleContext {
  readonly lifecycle: Lifecycle
  readonly logger: Logger
  /** Of the whole process. */
  readonly metrics: Metrics
  readonly ops: OpsServer
  /** Name of this process, also in leases: unique among replicas and restarts. */
  readonly instance: string
}

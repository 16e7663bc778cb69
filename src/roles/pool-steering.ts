import type { KubeClients } from '../cluster/kube-clients.ts'
import { isAllowed } from '../cluster/local-access.ts'
import { createWrittenPools } from '../cluster/written-pools.ts'
import type { Config } from '../config.ts'
import type { AuditActor, AuditFact } from '../domain/audit.ts'
import { configMapName } from '../domain/names.ts'
import { GreenroomError } from '../errors.ts'
import { createSteerPools, type SteerPools, type SteerPoolsDeps } from '../sessions/steer-pools.ts'

interface PoolSteeringDeps {
  readonly clients: Pick<KubeClients, 'core' | 'transport'>
  readonly stores: Pick<SteerPoolsDeps, 'ledger' | 'index' | 'wakes'>
  readonly pods: SteerPoolsDeps['pods']
  readonly note: (fact: AuditFact) => void
}

/** A question to the API server, for which a person waits. */
const askWithinMs = 2_000

export function createPoolSteering(
  config: Pick<Config<'api'>, 'GREENROOM_NAMESPACE' | 'GREENROOM_EDIT_POOLS'>,
  { clients, stores, pods, note }: PoolSteeringDeps,
): SteerPools {
  const namespace = config.GREENROOM_NAMESPACE

  /**
   * A ServiceAccount has rights of its own in Kubernetes, and those decide. Keys and other tokens have none there: their
   * scope `admin` for every project decides, which the route asks for.
   */
  async function mayEdit({ kind, id }: AuditActor): Promise<boolean> {
    if (kind !== 'service-account') return true
    const [accountNamespace = '', name = ''] = id.split('/')
    const question = {
      user: `system:serviceaccount:${accountNamespace}:${name}`,
      groups: [
        'system:serviceaccounts',
        `system:serviceaccounts:${accountNamespace}`,
        'system:authenticated',
      ],
      namespace,
      verb: 'update',
      resource: 'configmaps',
      name: configMapName.pools,
    }
    try {
      return await isAllowed(clients.transport, question, AbortSignal.timeout(askWithinMs))
    } catch (error) {
      // Without an answer nobody gets a right.
      throw new GreenroomError('GRN_KUBERNETES_UNAVAILABLE', undefined, { cause: error, retryAfterMs: 1_000 })
    }
  }

  return createSteerPools({
    ledger: stores.ledger,
    index: stores.index,
    wakes: stores.wakes,
    written: createWrittenPools({ core: clients.core, namespace }),
    writable: config.GREENROOM_EDIT_POOLS,
    mayEdit,
    pods,
    note,
    namespace,
  })
}

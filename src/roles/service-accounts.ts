import type { KubeTransport } from '../cluster/kube-transport.ts'
import { readClusterKeys, reviewToken } from '../cluster/token-issuer.ts'
import type { Config } from '../config.ts'
import { createKeySet } from '../identity/key-set.ts'
import {
  readServiceAccounts,
  serviceAccountAudience,
  serviceAccountCallerOf,
} from '../identity/service-account-callers.ts'
import { claimsServiceAccount, createTokenCallers } from '../identity/token-callers.ts'
import type { Logger } from '../logging.ts'

type ServiceAccountConfig = Pick<Config<'api'>, 'GREENROOM_SERVICE_ACCOUNTS' | 'GREENROOM_TOKEN_REVIEW'>

/** A review that takes longer stops nobody. */
const reviewWithinMs = 500

/** Tokens of the cluster's ServiceAccounts; undefined when none is configured. `look` is to be called each second. */
export function createServiceAccounts(
  config: ServiceAccountConfig,
  transport: Pick<KubeTransport, 'send'>,
  logger: Logger,
) {
  const grants = readServiceAccounts(config.GREENROOM_SERVICE_ACCOUNTS)
  if (grants.size === 0) return undefined
  const keySet = createKeySet({
    read: (signal) => readClusterKeys(transport, signal),
    onError: (error) => logger.warn({ err: error }, 'keys of the cluster could not be read'),
    now: () => performance.now(),
  })

  /** Without an answer the token stands: its signature is right, and the API server away stops nobody. */
  async function isRevoked(token: string): Promise<boolean> {
    try {
      const signal = AbortSignal.timeout(reviewWithinMs)
      return !(await reviewToken(transport, token, serviceAccountAudience, signal))
    } catch (error) {
      logger.warn({ err: error }, 'a token could not be reviewed; its signature decides')
      return false
    }
  }

  const identify = createTokenCallers({
    keySet,
    audience: serviceAccountAudience,
    callerOf: serviceAccountCallerOf(grants),
    ...(config.GREENROOM_TOKEN_REVIEW && { isRevoked }),
    clock: () => Date.now(),
  })
  return {
    /** undefined for a bearer that is no token of a ServiceAccount, or a bad one. */
    identify: (bearer: string) => (claimsServiceAccount(bearer) ? identify(bearer) : undefined),
    look: () => keySet.look(),
  }
}

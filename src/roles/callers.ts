import type { KubeTransport } from '../cluster/kube-transport.ts'
import type { Config } from '../config.ts'
import type { Caller } from '../domain/caller.ts'
import { createBootstrapKeys } from '../http/bootstrap-keys.ts'
import { createKnownKeys } from '../identity/known-keys.ts'
import { createManageKeys } from '../identity/manage-keys.ts'
import type { Logger } from '../logging.ts'
import { createOidc } from './oidc.ts'
import { createServiceAccounts } from './service-accounts.ts'
import type { Stores } from './stores.ts'

type CallersConfig = Parameters<typeof createOidc>[0] &
  Parameters<typeof createServiceAccounts>[0] &
  Pick<Config<'api'>, 'GREENROOM_API_KEYS'>

/** Whose credential a bearer is: a key of the environment, an API key or a token. `loops` are to be called each second. */
export async function createCallers(
  config: CallersConfig,
  { apiKeys, wakes }: Pick<Stores, 'apiKeys' | 'wakes'>,
  transport: Pick<KubeTransport, 'send'>,
  logger: Logger,
) {
  const bootstrap = createBootstrapKeys(config.GREENROOM_API_KEYS)
  const onError = (error: unknown) => logger.warn({ err: error }, 'changed API keys could not be read')
  const known = createKnownKeys({ keys: apiKeys, wakes, onError, now: () => performance.now() })
  const oidc = createOidc(config, logger)
  const accounts = createServiceAccounts(config, transport, logger)
  await Promise.all([known.look(), oidc?.look(), accounts?.look()])
  return {
    identify: (bearer: string): Caller | undefined | Promise<Caller | undefined> =>
      bootstrap(bearer) ?? known.identify(bearer) ?? oidc?.identify(bearer) ?? accounts?.identify(bearer),
    manageKeys: createManageKeys({ keys: apiKeys, known, wakes }),
    loops: {
      'api-keys': () => known.look(),
      ...(oidc && { 'oidc-keys': () => oidc.look() }),
      ...(accounts && { 'cluster-keys': () => accounts.look() }),
    },
  }
}

import type { Config } from '../config.ts'
import type { Caller } from '../domain/caller.ts'
import { createBootstrapKeys } from '../http/bootstrap-keys.ts'
import { createKnownKeys } from '../identity/known-keys.ts'
import { createManageKeys } from '../identity/manage-keys.ts'
import type { Logger } from '../logging.ts'
import { createOidc } from './oidc.ts'
import type { Stores } from './stores.ts'

/** Whose credential a bearer is: a key of the environment, an API key or a token. `loops` are to be called each second. */
export async function createCallers(
  config: Parameters<typeof createOidc>[0] & Pick<Config<'api'>, 'GREENROOM_API_KEYS'>,
  { apiKeys, wakes }: Pick<Stores, 'apiKeys' | 'wakes'>,
  logger: Logger,
) {
  const bootstrap = createBootstrapKeys(config.GREENROOM_API_KEYS)
  const onError = (error: unknown) => logger.warn({ err: error }, 'changed API keys could not be read')
  const known = createKnownKeys({ keys: apiKeys, wakes, onError, now: () => performance.now() })
  const oidc = createOidc(config, logger)
  await Promise.all([known.look(), oidc?.look()])
  return {
    identify: (bearer: string): Caller | undefined | Promise<Caller | undefined> =>
      bootstrap(bearer) ?? known.identify(bearer) ?? oidc?.identify(bearer),
    manageKeys: createManageKeys({ keys: apiKeys, known, wakes }),
    loops: { 'api-keys': () => known.look(), ...(oidc && { 'oidc-keys': () => oidc.look() }) },
  }
}

import type { Config } from '../config.ts'
import type { Caller } from '../domain/caller.ts'
import { createBootstrapKeys } from '../http/bootstrap-keys.ts'
import { createKnownKeys } from '../identity/known-keys.ts'
import { createManageKeys } from '../identity/manage-keys.ts'
import type { Logger } from '../logging.ts'
import type { Stores } from './stores.ts'

/** Whose credential a bearer is: the keys of the environment, then API keys. `look` is to be called each second. */
export async function createCallers(
  config: Pick<Config<'api'>, 'GREENROOM_API_KEYS'>,
  { apiKeys, wakes }: Pick<Stores, 'apiKeys' | 'wakes'>,
  logger: Logger,
) {
  const bootstrap = createBootstrapKeys(config.GREENROOM_API_KEYS)
  const onError = (error: unknown) => logger.warn({ err: error }, 'changed API keys could not be read')
  const known = createKnownKeys({ keys: apiKeys, wakes, onError, now: () => performance.now() })
  await known.look()
  return {
    identify: (bearer: string): Caller | undefined | Promise<Caller | undefined> =>
      bootstrap(bearer) ?? known.identify(bearer),
    manageKeys: createManageKeys({ keys: apiKeys, known, wakes }),
    look: () => known.look(),
  }
}

import type { Test } from 'tap'
import { until } from '../../bed/processes/until.ts'
import { createCallers } from '../../src/roles/callers.ts'
import { createPostgresApiKeys } from '../../src/stores/postgres-api-keys.ts'
import { createSubscriber } from '../../src/stores/redis-client.ts'
import { wakeChannel } from '../../src/stores/redis-keys.ts'
import { createRedisWakeBus } from '../../src/stores/redis-wake-bus.ts'
import { type Database, postgresFor, redisFor } from '../stores/store-servers.ts'
import { keptLog, silent } from '../support/kept-log.ts'
import { apiKey, startApi } from './api-bed.ts'

const noCluster = () => Promise.reject(new Error('this test has no cluster'))

interface Where {
  readonly database: Database
  readonly redisUrl: string
  /** Another replica on the database of this one. */
  readonly beside?: { readonly databaseUrl: string }
}

/** A replica that knows its callers from real stores. It looks for changes only when it is told to: see `look`. */
export async function startKeyApi(t: Test, { database, redisUrl, beside }: Where) {
  const postgres = await postgresFor(t, database, beside && { url: beside.databaseUrl })
  const publisher = await redisFor(t, redisUrl)
  const subscriber = createSubscriber(redisUrl, silent)
  t.teardown(() => subscriber.disconnect())
  const { logger, lines } = keptLog()
  const wakes = createRedisWakeBus({ publisher, subscriber, logger })
  const [, before] = (await publisher.pubsub('NUMSUB', wakeChannel)) as [string, number]
  await wakes.start()
  await until('subscribed', async () => {
    const [, count] = (await publisher.pubsub('NUMSUB', wakeChannel)) as [string, number]
    return count > before
  })
  const apiKeys = createPostgresApiKeys(postgres)
  const callers = await createCallers(
    {
      GREENROOM_API_KEYS: apiKey,
      GREENROOM_OIDC_SCOPES_CLAIM: 'scope',
      GREENROOM_OIDC_SCOPES: '',
      GREENROOM_SERVICE_ACCOUNTS: '',
      GREENROOM_TOKEN_REVIEW: false,
    },
    { apiKeys, wakes },
    { send: noCluster },
    logger,
  )
  const api = await startApi(t, { identify: callers.identify, manageKeys: callers.manageKeys, logger })
  const as = (key: string) => ({ headers: { authorization: `Bearer ${key}` } })
  return {
    ...api,
    databaseUrl: postgres.url,
    postgres,
    lines,
    look: callers.loops['api-keys'],
    async status(key: string, path = '/v1/sessions'): Promise<number> {
      return (await api.call('GET', path, as(key))).statusCode
    },
    /** With the bootstrap key unless another one is given. */
    async create(body: object, key = apiKey) {
      const answer = await api.call('POST', '/v1/keys', { body, ...as(key) })
      return { status: answer.statusCode, ...answer.json<{ id: string; key: string; code?: string }>() }
    },
    async change(
      method: 'POST' | 'DELETE',
      path: string,
      { body, key = apiKey }: { body?: object; key?: string } = {},
    ) {
      const answer = await api.call(method, path, { body, ...as(key) })
      return { status: answer.statusCode, ...answer.json<{ id: string; key: string; code?: string }>() }
    },
  }
}

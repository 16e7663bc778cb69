import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { until } from '../../bed/processes/until.ts'
import type { EventLog } from '../../src/domain/event-ports.ts'
import type { Wake, WakeBus } from '../../src/domain/index-ports.ts'
import { endReason } from '../../src/domain/session.ts'
import type { ApiAppDeps } from '../../src/http/api-app.ts'
import { createMetrics } from '../../src/metrics.ts'
import { createEventFeed } from '../../src/sessions/event-feed.ts'
import { createFollowEvents } from '../../src/sessions/follow-events.ts'
import { createPostgresClaimLedger } from '../../src/stores/postgres-claim-ledger.ts'
import type { Postgres } from '../../src/stores/postgres-client.ts'
import { createPostgresEventLog } from '../../src/stores/postgres-event-log.ts'
import { createPostgresSessionStore } from '../../src/stores/postgres-session-store.ts'
import { newRecord } from '../stores/open-records.ts'
import { type Database, postgresFor } from '../stores/store-servers.ts'
import { readStream } from '../support/event-stream-reader.ts'
import { keptLog } from '../support/kept-log.ts'
import { apiKey, startApi } from './api-bed.ts'

/** The API over real sockets and a real event log; wake-ups go through memory. */

function memoryBus(): WakeBus {
  const listeners = new Set<(wake: Wake) => void>()
  return {
    publish: (wake) => listeners.forEach((listener) => listener(wake)),
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

export async function startEventApi(
  t: Test,
  database: Database,
  options: Partial<ApiAppDeps> & {
    readonly wrap?: (log: EventLog) => EventLog
    /** Of another replica. */
    readonly postgres?: Postgres & { readonly url: string }
  } = {},
) {
  const { wrap = (log) => log, postgres = await postgresFor(t, database), ...overrides } = options
  const store = createPostgresSessionStore(postgres)
  const ledger = createPostgresClaimLedger(postgres)
  const log = wrap(createPostgresEventLog(postgres))
  const metrics = createMetrics()
  const wakes = memoryBus()
  const feed = createEventFeed({
    log,
    wakes,
    metrics,
    logger: keptLog().logger,
    now: () => performance.now(),
  })
  const stopping = new AbortController()
  const running = feed.run(stopping.signal)
  t.teardown(async () => {
    stopping.abort()
    await running
  })
  await until('the feed', () => feed.position() !== undefined)
  const draining = new AbortController()
  const api = await startApi(t, {
    followEvents: createFollowEvents({ log, feed }),
    sessions: store,
    metrics,
    draining: draining.signal,
    ...overrides,
  })
  await api.app.listen({ host: '127.0.0.1', port: 0 })
  const url = `http://127.0.0.1:${(api.app.server.address() as AddressInfo).port}`
  const happened = () => wakes.publish({ kind: 'claimed', agentType: 'echo-agent' })
  return {
    ...api,
    url,
    postgres,
    log,
    ledger,
    draining,
    metrics,
    happened,
    listeners: async () => (await metrics.eventListeners.get()).values[0]?.value ?? 0,
    follow: (path: string, headers: Record<string, string> = {}, key = apiKey) =>
      readStream(`${url}${path}`, { apiKey: key, headers, t }),
    async open(facts: object = {}): Promise<string> {
      const record = newRecord(facts)
      await store.commitOpen(record)
      await store.activate(record.id, 1)
      happened()
      return record.id
    },
    async end(id: string): Promise<void> {
      await store.beginEnding(id, endReason.caller)
      await ledger.finishEnding([id])
      happened()
    },
  }
}

export const lifeOfSession = ['session.pending', 'session.active', 'session.ending', 'session.ended'] as const

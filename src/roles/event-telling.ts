import { type Config, eventNetworks } from '../config.ts'
import { createConfigEvents } from '../controllers/config-events.ts'
import { createWebhookSender } from '../controllers/webhook-sender.ts'
import { createEventPost } from '../delivery/event-post.ts'
import { networks } from '../delivery/public-address.ts'
import type { DocumentView } from '../domain/cluster-ports.ts'
import type { PoolsDocument } from '../domain/pool.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'
import { createWebhookSigner } from '../sessions/webhook-signer.ts'
import { every } from '../timing/every.ts'
import type { Stores } from './stores.ts'

interface TellingDeps {
  readonly stores: Pick<Stores, 'eventLog' | 'eventWebhooks'>
  readonly pools: DocumentView<PoolsDocument>
  readonly metrics: Metrics
  readonly logger: Logger
}

/** An event has its number within a second, and is sent half a second later at most. */
const sendEveryMs = 500
const lookEveryMs = 1_000

/** What the leading controller tells of its own accord: changes of agent-pools, and events to the webhooks of projects. */
export function createEventTelling(config: Config<'controller'>, deps: TellingDeps) {
  const { stores, pools, metrics, logger } = deps
  const { eventLog: log, eventWebhooks: webhooks } = stores
  const post = createEventPost({ allowed: networks(eventNetworks(config.GREENROOM_EVENT_NETWORKS)) })
  const signer = createWebhookSigner(config.GREENROOM_HMAC_SECRET)
  const now = () => Date.now()
  const sender = createWebhookSender({
    log,
    webhooks,
    send({ id: webhookId, url }, { event }) {
      const body = JSON.stringify(event)
      const message = { id: event.id, timestamp: Math.floor(now() / 1_000), body }
      const { traceparent } = event as { traceparent?: string }
      const headers = signer.headers(webhookId, message)
      return post({ url, body, headers: traceparent === undefined ? headers : { ...headers, traceparent } })
    },
    metrics,
    logger,
    now,
  })
  const configEvents = createConfigEvents({ log, pools })
  const loop = { logger, metrics }
  return {
    async run(signal: AbortSignal): Promise<void> {
      await Promise.all([
        every({ ...loop, name: 'config-events', everyMs: lookEveryMs, signal }, configEvents),
        every({ ...loop, name: 'webhooks', everyMs: sendEveryMs, signal }, () => sender.look()),
      ])
      await sender.settled()
    },
  }
}

import type { EventLog, NumberedEvent } from '../domain/event-ports.ts'
import type { EventWebhook, WebhookOutcome, WebhookStore } from '../domain/event-webhook.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'

interface WebhookSenderDeps {
  readonly log: Pick<EventLog, 'read' | 'note'>
  readonly webhooks: Pick<WebhookStore, 'due' | 'settle'>
  /** Signs an event and posts it. Never rejects. */
  readonly send: (webhook: EventWebhook, event: NumberedEvent) => Promise<SendResult>
  readonly metrics: Pick<Metrics, 'webhookDeliveries' | 'webhookLagSeconds' | 'webhooksDisabled'>
  readonly logger: Logger
  /** Epoch ms. */
  readonly now: () => number
  readonly disableAfterMs?: number
}

type SendResult =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'failed'; readonly reason: string; readonly gone?: true }

/** Rounds at once. One slow address holds up no other. */
const webhooksAtOnce = 16
/** Sessions of one webhook whose events are sent at once; the events of one session follow each other. */
const sessionsAtOnce = 8
const firstAgainMs = 1_000
const longestAgainMs = 300_000
/** Three days: a weekend and a bank holiday. */
const defaultDisableAfterMs = 72 * 3_600_000
/** A place that moved without a delivery is written this seldom: other projects' events move it all the time. */
const writtenEvery = 1_000

/** Sends events to the webhooks of projects, each at least once. One process does so: the leading controller. */
export function createWebhookSender(deps: WebhookSenderDeps) {
  const { log, webhooks, send, metrics, logger, now } = deps
  const { disableAfterMs = defaultDisableAfterMs } = deps
  const underWay = new Map<string, Promise<void>>()
  /** Numbers behind the place that were delivered, so that a round that goes on repeats less. */
  const ahead = new Map<string, Set<number>>()

  /** Sends what is not delivered yet. Returns the first event that failed, with the reason. */
  async function sendPage(webhook: EventWebhook, events: readonly NumberedEvent[]) {
    const delivered = ahead.get(webhook.id) ?? new Set()
    ahead.set(webhook.id, delivered)
    const lanes = [...lanesOf(events.filter(({ number }) => !delivered.has(number)))]
    const failed: { number: number; reason: string; gone?: true }[] = []
    const worker = async () => {
      for (let lane = lanes.shift(); lane && failed.length === 0; lane = lanes.shift()) {
        for (const event of lane) {
          const result = await send(webhook, event)
          metrics.webhookDeliveries.inc({ outcome: result.kind })
          if (result.kind === 'failed') {
            failed.push({ number: event.number, ...result })
            return
          }
          metrics.webhookLagSeconds.observe(Math.max(0, now() - Date.parse(event.event.at)) / 1_000)
          delivered.add(event.number)
        }
      }
    }
    await Promise.all(Array.from({ length: sessionsAtOnce }, worker))
    if (failed.length === 0) ahead.delete(webhook.id)
    const undelivered = events.find(({ number }) => !delivered.has(number))
    return failed[0] && { ...failed[0], before: (undelivered?.number ?? failed[0].number) - 1 }
  }

  function failureOf(webhook: EventWebhook, reason: string, position: number, gone: boolean): WebhookOutcome {
    const failingMs = now() - (webhook.failingSince ?? now())
    const backOffMs = Math.min(longestAgainMs, firstAgainMs * 2 ** Math.min(webhook.failures, 20))
    const isOver = gone || failingMs >= disableAfterMs
    return {
      kind: 'failed',
      position,
      error: reason,
      againMs: backOffMs * (0.5 + Math.random() / 2),
      disabledFor: isOver ? reason : undefined,
    }
  }

  /** One page; the next look takes the next. */
  async function round(webhook: EventWebhook): Promise<void> {
    const { id, projectId, types, position } = webhook
    const page = await log.read(position, { projectId, types: types && new Set(types) })
    const failure = await sendPage(webhook, page.events)
    if (!failure) {
      const isWorthWriting = page.events.length > 0 || page.through - position >= writtenEvery
      if (isWorthWriting || page.hasMore)
        await webhooks.settle(id, position, { kind: 'delivered', position: page.through })
      return
    }
    const outcome = failureOf(webhook, failure.reason, failure.before, failure.gone === true)
    await webhooks.settle(id, position, outcome)
    logger.info({ webhook: id, reason: failure.reason }, 'a webhook did not take an event')
    if (outcome.kind === 'failed' && outcome.disabledFor !== undefined)
      await tellDisabled(webhook, failure.reason)
  }

  async function tellDisabled({ id, projectId }: EventWebhook, reason: string): Promise<void> {
    metrics.webhooksDisabled.inc()
    ahead.delete(id)
    logger.warn({ webhook: id, projectId, reason }, 'a webhook is disabled')
    await log.note({ type: 'webhook.disabled', projectId, webhookId: id, reason })
  }

  function begin(webhook: EventWebhook): void {
    const running = round(webhook)
      .catch((error: unknown) =>
        logger.warn({ err: error, webhook: webhook.id }, 'a webhook could not be served'),
      )
      .finally(() => underWay.delete(webhook.id))
    underWay.set(webhook.id, running)
  }

  return {
    /** To be called often: begins a round of each webhook that is due. */
    async look(): Promise<void> {
      for (const webhook of await webhooks.due()) {
        if (underWay.size >= webhooksAtOnce) return
        if (!underWay.has(webhook.id)) begin(webhook)
      }
    },
    /** Resolves when nothing is under way. */
    async settled(): Promise<void> {
      await Promise.all(underWay.values())
    },
  }
}

export type WebhookSender = ReturnType<typeof createWebhookSender>

/** The events of each session in their order, and what concerns no session. */
function lanesOf(events: readonly NumberedEvent[]): Iterable<NumberedEvent[]> {
  const lanes = new Map<string, NumberedEvent[]>()
  for (const numbered of events) {
    const key = 'sessionId' in numbered.event ? numbered.event.sessionId : ''
    const lane = lanes.get(key)
    if (lane) lane.push(numbered)
    else lanes.set(key, [numbered])
  }
  return lanes.values()
}

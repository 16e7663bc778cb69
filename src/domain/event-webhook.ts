import type { AuditActor } from './audit.ts'
import type { EventType } from './event.ts'

/** An address of a project to which its events are sent. Times are epoch ms. */
export interface EventWebhook {
  readonly id: string
  /** undefined: events of all projects, and of pools. */
  readonly projectId: string | undefined
  readonly url: string
  /** undefined: all of them. */
  readonly types: readonly EventType[] | undefined
  /** Everything up to this number is delivered, or not for this webhook. */
  readonly position: number
  /** Why nothing is sent any more; undefined while it is. */
  readonly disabledFor: string | undefined
  /** Tries in a row that failed. */
  readonly failures: number
  readonly failingSince: number | undefined
  readonly lastError: string | undefined
  readonly createdAt: number
}

/** What may be changed. An active webhook forgets its failures. */
export interface WebhookChange {
  readonly url?: string | undefined
  readonly types?: readonly EventType[] | undefined
  readonly position?: number | undefined
  readonly active?: true | undefined
}

/** What became of a round of deliveries. */
export type WebhookOutcome =
  | { readonly kind: 'delivered'; readonly position: number }
  | {
      readonly kind: 'failed'
      readonly position: number
      readonly error: string
      readonly againMs: number
      /** Nothing is sent any more. */
      readonly disabledFor?: string | undefined
    }

export type NewWebhook = Pick<EventWebhook, 'id' | 'projectId' | 'url' | 'types'> & {
  /** undefined: from now on. */
  readonly position: number | undefined
}

/** PostgreSQL for webhooks. `projectId` undefined means those of every project. */
export interface WebhookStore {
  /** undefined if the project has `most` of them already. */
  create(webhook: NewWebhook, most: number, by: AuditActor): Promise<EventWebhook | undefined>
  list(projectId: string | undefined): Promise<readonly EventWebhook[]>
  get(id: string, projectId: string | undefined): Promise<EventWebhook | undefined>
  change(
    id: string,
    change: WebhookChange,
    projectId: string | undefined,
    by: AuditActor,
  ): Promise<EventWebhook | undefined>
  remove(id: string, projectId: string | undefined, by: AuditActor): Promise<boolean>
  /** Those that are to be tried now. */
  due(): Promise<readonly EventWebhook[]>
  /** Notes a round, unless the place was changed meanwhile. */
  settle(id: string, from: number, outcome: WebhookOutcome): Promise<void>
}

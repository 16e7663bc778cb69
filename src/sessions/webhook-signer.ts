import { createHmac } from 'node:crypto'

/** A message as it is sent, and what signs it (Standard Webhooks 1.0). */
export interface SignedMessage {
  readonly id: string
  /** Epoch seconds. */
  readonly timestamp: number
  readonly body: string
}

const prefix = 'whsec_'

/** Secrets of webhooks are made of the installation's own, so that none is stored. */
export function createWebhookSigner(hmacSecret: string) {
  const keyOf = (webhookId: string): Buffer =>
    createHmac('sha256', hmacSecret).update(`event webhook ${webhookId}`).digest()
  return {
    /** As its owner gets it once. */
    secretOf: (webhookId: string): string => prefix + keyOf(webhookId).toString('base64'),
    headers(webhookId: string, { id, timestamp, body }: SignedMessage): Record<string, string> {
      const signature = createHmac('sha256', keyOf(webhookId)).update(`${id}.${timestamp}.${body}`)
      return {
        'webhook-id': id,
        'webhook-timestamp': String(timestamp),
        'webhook-signature': `v1,${signature.digest('base64')}`,
      }
    },
  }
}

export type WebhookSigner = ReturnType<typeof createWebhookSigner>

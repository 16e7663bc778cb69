import { lookup } from 'node:dns/promises'
import { isIPv6 } from 'node:net'
import { readJson } from '../identity/read-json.ts'

/** What one address answered; undefined: nothing in time, or nothing that could be read. */
export interface ReplicaAnswer<T> {
  readonly url: string
  readonly answer: T | undefined
}

/** Less than whoever asks waits for all of them: one that hangs must not take the answers of the others with it. */
const answerWithinMs = 600

/**
 * Asks every replica of the webhook on its ops port. `opsUrl` names a headless Service, whose name has the address of each
 * replica, so that no right to read the cluster is needed (docs/adr/0038). Rejects when the name has no address.
 */
export function createWebhookReplicas(opsUrl: string) {
  const { protocol, hostname, port } = new URL(opsUrl)

  async function urls(): Promise<readonly string[]> {
    const found = await lookup(hostname.replace(/^\[|\]$/g, ''), { all: true })
    const addresses = [...new Set(found.map(({ address }) => address))].sort()
    return addresses.map(
      (address) => `${protocol}//${isIPv6(address) ? `[${address}]` : address}${port && `:${port}`}`,
    )
  }

  return async function askReplicas<T>(
    path: string,
    signal: AbortSignal,
  ): Promise<readonly ReplicaAnswer<T>[]> {
    return Promise.all(
      (await urls()).map(async (url) => ({
        url,
        answer: await readJson(
          url + path,
          AbortSignal.any([signal, AbortSignal.timeout(answerWithinMs)]),
        ).then(
          (body) => body as T,
          () => undefined,
        ),
      })),
    )
  }
}

export type AskReplicas = ReturnType<typeof createWebhookReplicas>

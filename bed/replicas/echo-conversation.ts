import { request } from 'node:http'

/** What the echo agent answers about the session that it serves. */
export interface Echo {
  readonly sessionId: string
  readonly podUid: string
  readonly epoch: number
  readonly metadata?: Readonly<Record<string, unknown>>
  readonly counters: { readonly messages: number }
  readonly secretDigests: Readonly<Record<string, string>>
  readonly envSecret: boolean
  readonly echo: unknown
}

/** Sends a message to the agent of a session at its pod's address, as a caller in the cluster would. */
export function echoTo(session: { id: string; pod: { ip: string } }, message: unknown): Promise<Echo> {
  const body = JSON.stringify(message)
  return new Promise((resolve, reject) => {
    const sent = request({
      host: session.pod.ip,
      port: 8080,
      path: `/sessions/${session.id}/echo`,
      method: 'POST',
      agent: false,
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
    })
    sent.on('error', reject)
    sent.on('response', (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        if (response.statusCode === 200) resolve(JSON.parse(text) as Echo)
        else reject(new Error(`the agent answered ${response.statusCode}: ${text}`))
      })
    })
    sent.end(body)
  })
}

import { createRequire } from 'node:module'
import type { Service } from '../serving/service.ts'
import { servePage } from './serve-page.ts'

export interface TryPageOptions {
  /** Where the page may connect besides this server; undefined without LiveKit. */
  readonly liveKitUrl: string | undefined
}

/** `/try`: a page on which a person opens a session and talks to its agent, with an API key typed into it. */
export function addTryRoutes(app: Service, { liveKitUrl }: TryPageOptions): Promise<void> {
  const liveKit = createRequire(import.meta.url)
    .resolve('livekit-client')
    .replace(/[^/\\]+$/, 'livekit-client.esm.mjs')
  return servePage(app, {
    address: '/try',
    html: 'try.html',
    folders: { page: 'try', client: 'client', look: 'look' },
    packages: { 'livekit-client': liveKit },
    connect: liveKitUrl === undefined ? [] : originsOf(liveKitUrl),
    permissions: 'microphone=(self), camera=(), geolocation=()',
  })
}

/** LiveKit's signalling is a WebSocket, and a request when that fails. */
function originsOf(liveKitUrl: string): string[] {
  const { protocol, host } = new URL(liveKitUrl)
  const s = /^(wss|https):$/.test(protocol) ? 's' : ''
  // LiveKit Cloud names the region's server when somebody joins.
  const hosts = host.endsWith('.livekit.cloud') ? [host, '*.livekit.cloud'] : [host]
  return hosts.flatMap((one) => [`ws${s}://${one}`, `http${s}://${one}`])
}

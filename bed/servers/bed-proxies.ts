import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts'

/** Between Greenroom's processes and the servers they depend on. */
export interface BedProxies {
  readonly redis: TcpProxy
  readonly postgres: TcpProxy
  /** Calls and signalling; media goes by UDP, past it. Undefined on a bed without rooms. */
  readonly livekit: TcpProxy | undefined
  stop(): Promise<void>
}

interface ServerUrls {
  readonly redisUrl: string
  readonly databaseUrl: string
  readonly livekitUrl: string | undefined
}

export async function startBedProxies(urls: ServerUrls): Promise<BedProxies> {
  const inFrontOf = (url: string) => startTcpProxy({ port: Number(new URL(url).port) })
  const redis = await inFrontOf(urls.redisUrl)
  const postgres = await inFrontOf(urls.databaseUrl)
  const livekit = urls.livekitUrl === undefined ? undefined : await inFrontOf(urls.livekitUrl)
  return {
    redis,
    postgres,
    livekit,
    async stop() {
      await Promise.all([redis.stop(), postgres.stop(), livekit?.stop()])
    },
  }
}

/** The same address by way of the proxy; without one, the address as it is. */
export function atProxy(url: string, proxy: TcpProxy | undefined): string {
  if (!proxy) return url
  const moved = new URL(url)
  moved.port = String(proxy.port)
  return moved.href
}

import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts'

/** Between Greenroom's processes and the servers they depend on. */
export interface BedProxies {
  readonly redis: TcpProxy
  readonly postgres: TcpProxy
  stop(): Promise<void>
}

export async function startBedProxies(urls: { redisUrl: string; databaseUrl: string }): Promise<BedProxies> {
  const redis = await startTcpProxy({ port: Number(new URL(urls.redisUrl).port) })
  const postgres = await startTcpProxy({ port: Number(new URL(urls.databaseUrl).port) })
  return {
    redis,
    postgres,
    async stop() {
      await Promise.all([redis.stop(), postgres.stop()])
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

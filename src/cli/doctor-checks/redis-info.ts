import type { Redis } from 'ioredis'

/** `INFO`, as names and values. It needs no right on CONFIG, which managed Redis often keeps to itself. */
export async function redisInfo(redis: Redis): Promise<Readonly<Record<string, string>>> {
  const lines = (await redis.info()).split('\r\n')
  return Object.fromEntries(
    lines.flatMap((line) => {
      const at = line.indexOf(':')
      return line.startsWith('#') || at === -1 ? [] : [[line.slice(0, at), line.slice(at + 1)]]
    }),
  )
}

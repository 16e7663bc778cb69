import { createServer } from 'node:net'

/**
 * Below the range that Linux and macOS take the ports of outgoing connections from, so that the port is still free
 * when the program it was chosen for gets to listen; above the usual services.
 */
const lowestPort = 12_000
const highestPort = 32_000

/** A TCP port that nothing listens on at `host`, chosen at random: two callers hardly ever get the same one. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const port = lowestPort + Math.floor(Math.random() * (highestPort - lowestPort))
    if (await isFree(port, host)) return port
  }
  throw new Error(`no free port found at ${host}`)
}

/** True if this process could listen there at this moment. */
export function isFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const server = createServer()
  server.once('error', () => resolve(false))
  server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)))
  return promise
}

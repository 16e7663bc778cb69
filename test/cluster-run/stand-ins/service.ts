import { execFile } from 'node:child_process'
import { createServer, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { promisify } from 'node:util'
import { openAgents } from './agents.ts'

/**
 * An HTTP server on the ports of a program that is not here. It starts only with the variables that the program needs, is healthy
 * only while the program's servers answer, and so shows whether a manifest gives it all that.
 *
 * | variable | is |
 * |---|---|
 * | SERVICE | its name, in answers and the log |
 * | PORTS | where it listens: `8585,8586` |
 * | PATHS | what it answers with 200 beside /health, /ready and /metrics: `/api/v1/heartbeat` |
 * | REQUIRED | variables without which it does not start |
 * | WANTED | variables whose absence it warns of |
 * | SERVERS | variables with the address of a server: a PostgreSQL URL is asked a query, others take a connection |
 * | AGENTS | JSON of its agents by name, kept in /data/station.db |
 */
export async function runService(): Promise<void> {
  const name = process.env.SERVICE ?? 'service'
  requireVariables(name)
  const agents = process.env.AGENTS ? openAgents('/data/station.db', process.env.AGENTS) : undefined
  const health = watchServers(listOf('SERVERS'))
  let requests = 0
  const server = () =>
    createServer(({ method, url = '/' }, response) => {
      requests += 1
      const { pathname } = new URL(url, 'http://localhost')
      if (pathname === '/metrics') {
        send(response, 200, `# TYPE stand_in_requests_total counter\nstand_in_requests_total ${requests}\n`)
      } else if (['/health', '/ready'].includes(pathname)) {
        const missing = health.missing()
        const status = missing.length === 0 ? 'healthy' : 'unhealthy'
        send(response, missing.length === 0 ? 200 : 503, { status, service: name, missing })
      } else if (agents && `${method} ${pathname}` === 'POST /api/v1/sync') {
        send(response, 200, { synced: agents.sync() })
      } else if (agents && pathname === '/api/v1/agents') {
        send(response, 200, { agents: agents.list() })
      } else if (pathname === '/' || listOf('PATHS').includes(pathname)) {
        send(response, 200, { service: name })
      } else {
        send(response, 404, { error: `no ${pathname}` })
      }
    })
  const servers = listOf('PORTS').map((port) => server().listen(Number(port), '0.0.0.0'))
  console.log(`INFO ${name} listens on ${listOf('PORTS').join(', ')}`)
  process.on('SIGTERM', () => {
    console.log(`INFO ${name} ends`)
    health.stop()
    agents?.close()
    for (const server of servers) {
      server.close()
      server.closeAllConnections()
    }
  })
}

function listOf(variable: string): string[] {
  return (process.env[variable] ?? '').split(',').filter(Boolean)
}

function requireVariables(name: string): void {
  const missing = listOf('REQUIRED').filter((variable) => !process.env[variable])
  if (missing.length > 0) {
    console.error(`ERROR ${name} needs ${missing.join(', ')}`)
    process.exit(1)
  }
  for (const variable of listOf('WANTED').filter((variable) => !process.env[variable]))
    console.log(`WARN ${variable} is not set: what needs it fails when it is first used`)
}

function send(response: ServerResponse, status: number, content: object | string): void {
  const type = typeof content === 'string' ? 'text/plain; version=0.0.4' : 'application/json'
  response.writeHead(status, { 'content-type': type })
  response.end(typeof content === 'string' ? content : JSON.stringify(content))
}

/** Asks all the time, so that a probe is answered at once. */
function watchServers(variables: readonly string[]) {
  const missing = new Set(variables)
  let stopped = false
  async function watch(variable: string): Promise<void> {
    while (!stopped) {
      const answers = await isThere(process.env[variable] ?? '').catch(() => false)
      if (answers) missing.delete(variable)
      else missing.add(variable)
      await new Promise((resolve) => setTimeout(resolve, 1_000).unref())
    }
  }
  for (const variable of variables) void watch(variable)
  return {
    missing: () => [...missing],
    stop: () => {
      stopped = true
    },
  }
}

async function isThere(address: string): Promise<boolean> {
  const { protocol, hostname, port } = new URL(address)
  if (protocol.startsWith('postgres')) {
    await promisify(execFile)('psql', [address, '-c', 'SELECT 1'], { timeout: 5_000 })
    return true
  }
  const { promise, resolve, reject } = Promise.withResolvers<boolean>()
  const socket = connect({ host: hostname, port: Number(port), timeout: 3_000 }, () => resolve(true))
  socket.once('error', reject)
  socket.once('timeout', () => reject(new Error('late')))
  return promise.finally(() => socket.destroy())
}

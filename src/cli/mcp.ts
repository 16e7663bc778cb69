import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { serveStdio } from '@modelcontextprotocol/server/stdio'
import { loadConfig } from '../config.ts'
import { GreenroomError } from '../errors.ts'
import { printingRefusals, serverOf, serverOptions } from './ask-server.ts'
import type { CommandProgram } from './command.ts'
import type { DoctorReport } from './doctor-report.ts'
import { createSessionKeeper, type SessionKeeper } from './mcp/kept-sessions.ts'
import { serveMcpHttp } from './mcp/mcp-http.ts'
import { createMcpServer } from './mcp/mcp-server.ts'
import type { ToolCall } from './mcp/mcp-tool.ts'
import { disposeOfTalks } from './mcp/room-talk.ts'

const usage = `usage: mcp [--server URL] [--key KEY] | --http [--port N] [--host ADDRESS] [--origin ORIGIN]... [--server URL]
Serves the Model Context Protocol: a model opens sessions, talks to their agents, ends them, and asks how everything is.
Without --http it speaks over stdin and stdout, for a program that starts it; docs/mcp.md has the lines to paste.
--server URL      the session API (GREENROOM_API_URL)
--key KEY         the API key (GREENROOM_API_KEY); its scopes are what the tools can do
--http            serves streamable HTTP at /mcp. Each caller sends its own key as a bearer; the server has none
--port N          default: 3003; 0: a free one
--host ADDRESS    where to listen (default: 127.0.0.1, this machine only)
--origin ORIGIN   a page of this origin may call it from a browser; may be repeated (default: none)
When it ends, it ends the sessions that it opened, and names those that it could not end.
Exit code: 0 it was told to end; 2 it could not start, or the arguments are wrong.`

interface McpOptions {
  readonly http: boolean
  readonly port: number
  readonly host: string
  readonly origins: readonly string[]
  readonly server: string | undefined
  readonly key: string | undefined
}

export const mcp: CommandProgram = {
  usage,
  run: (argv) =>
    printingRefusals(async () => {
      const options = readArguments(argv)
      const keeper = createSessionKeeper()
      await (options.http ? overHttp(options, keeper) : overStdio(options, keeper))
      const left = await keeper.endAll()
      if (left.length > 0) process.stderr.write(`Not ended, until their leases lapse: ${left.join(', ')}.\n`)
      await disposeOfTalks()
      return 0
    }),
}

/** Until stdin ends. Nothing but the protocol goes to stdout. */
async function overStdio(options: McpOptions, keeper: SessionKeeper): Promise<void> {
  const { url, apiKey } = serverOf(options)
  const ended = Promise.race([once(process.stdin, 'close'), once(process.stdin, 'end'), signalled()])
  const served = serveStdio(() =>
    // Whoever started this process gave it its environment as well, so the doctor may use it.
    createMcpServer({ url, apiKey, sessions: keeper.of(''), doctor: runDoctor }),
  )
  await ended
  await served.close()
}

/** Until a signal. */
async function overHttp(options: McpOptions, keeper: SessionKeeper): Promise<void> {
  const { host, port, origins, server, key } = options
  if (key !== undefined) throw wrong('--key is not for --http: each caller sends its own key')
  const url = server ?? loadConfig('caller').GREENROOM_API_URL
  if (url === undefined) throw wrong('--server or GREENROOM_API_URL is missing')
  const ended = signalled()
  const served = await serveMcpHttp({ host, port, origins, url, keeper, doctor: doctorForAdministrators })
  process.stderr.write(`MCP at ${served.address}\n`)
  await ended
  await served.close()
}

async function signalled(): Promise<void> {
  await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')])
}

let examination: Promise<DoctorReport> | undefined

/** One at a time, for all who ask meanwhile: it opens connections to everything. */
function runDoctor(): Promise<DoctorReport> {
  examination ??= examineEverything().finally(() => {
    examination = undefined
  })
  return examination
}

async function examineEverything(): Promise<DoctorReport> {
  const { examine } = await import('./doctor.ts')
  return examine(loadConfig('doctor'), { phase: 'any', invariants: true, settleMs: undefined })
}

interface Whoami {
  readonly scopes: readonly string[]
  readonly projectId?: string
}

/** It looks with the rights of this process, so the caller must be one who may see everything. */
async function doctorForAdministrators({ get }: Pick<ToolCall, 'get'>): Promise<DoctorReport> {
  const { scopes, projectId } = await get<Whoami>('/v1/whoami')
  if (!scopes.includes('admin') || projectId !== undefined)
    throw new GreenroomError('GRN_FORBIDDEN', 'The doctor needs the scope admin for every project.')
  return runDoctor()
}

function readArguments(argv: readonly string[]): McpOptions {
  try {
    const { http, port, host, origin, server, key } = parseArgs({
      args: [...argv],
      options: {
        http: { type: 'boolean', default: false },
        port: { type: 'string', default: '3003' },
        host: { type: 'string', default: '127.0.0.1' },
        origin: { type: 'string', multiple: true, default: [] },
        ...serverOptions,
      },
    }).values
    if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) throw new TypeError('--port: expected 0 to 65535')
    for (const one of origin)
      if (!URL.canParse(one) || new URL(one).origin !== one)
        throw new TypeError(`--origin: expected something like https://app.example, not ${one.slice(0, 100)}`)
    return { http, port: Number(port), host, origins: origin, server, key }
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : String(error))
  }
}

function wrong(problem: string): GreenroomError {
  return new GreenroomError('GRN_INVALID_CONFIG', `${problem}\n${usage}`)
}

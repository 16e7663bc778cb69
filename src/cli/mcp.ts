import { once } from 'node:events'
import { serveStdio } from '@modelcontextprotocol/server/stdio'
import { loadConfig } from '../config.ts'
import { GreenroomError } from '../errors.ts'
import type { DoctorReport } from './doctor-report.ts'
import { action } from './line/command-spec.ts'
import { type ServerValues, serverOptions } from './line/shared-options.ts'
import { wholeNumber, wrongArguments } from './line/wrong-arguments.ts'
import { createSessionKeeper, type SessionKeeper } from './mcp/kept-sessions.ts'
import { serveMcpHttp } from './mcp/mcp-http.ts'
import { createMcpServer } from './mcp/mcp-server.ts'
import type { ToolCall } from './mcp/mcp-tool.ts'
import { disposeOfTalks } from './mcp/room-talk.ts'
import { findServer } from './reach/server-connection.ts'

interface McpOptions {
  readonly port: number
  readonly host: string
  readonly origins: readonly string[]
}

export const mcp = action({
  summary:
    'Serve the Model Context Protocol: models open sessions, talk to agents, and ask how everything is',
  about:
    'Without --http it speaks over stdin and stdout, for a program that starts it; docs/mcp.md has the lines to paste. The scopes of the key are what the tools can do. When it ends, it ends the sessions that it opened, and names those that it could not end.',
  options: {
    http: {
      type: 'boolean',
      help: 'serves streamable HTTP at /mcp. Each caller sends its own key as a bearer; the server has none',
    },
    port: { type: 'string', value: 'N', help: 'with --http (default: 3003; 0: a free one)' },
    host: { type: 'string', value: 'ADDRESS', help: 'with --http (default: 127.0.0.1, this machine only)' },
    origin: {
      type: 'string',
      multiple: true,
      value: 'ORIGIN',
      help: 'with --http: a page of this origin may call it from a browser (default: none)',
    },
    ...serverOptions,
  },
  exits: { 0: 'it was told to end' },
  examples: [
    { line: 'greenroom mcp', does: 'For the program that started it' },
    { line: 'greenroom mcp --http --server http://localhost:3000', does: 'For several callers' },
  ],
  async run({ options }) {
    const keeper = createSessionKeeper()
    await (options.http === true
      ? overHttp(httpOptions(options), options, keeper)
      : overStdio(options, keeper))
    await disposeOfTalks()
  },
})

async function endSessions(keeper: SessionKeeper): Promise<void> {
  const left = await keeper.endAll()
  if (left.length > 0) process.stderr.write(`Not ended, until their leases lapse: ${left.join(', ')}.\n`)
}

/** Until stdin ends. Nothing but the protocol goes to stdout. */
async function overStdio(given: ServerValues, keeper: SessionKeeper): Promise<void> {
  const { url, apiKey, forwarded } = await findServer(given)
  const ended = Promise.race([once(process.stdin, 'close'), once(process.stdin, 'end'), signalled()])
  const served = serveStdio(() =>
    // Whoever started this process gave it its environment as well, so the doctor may use it.
    createMcpServer({ url, apiKey, sessions: keeper.of(''), doctor: runDoctor }),
  )
  await ended
  await served.close()
  await endSessions(keeper)
  forwarded?.close()
}

/** Until a signal. */
async function overHttp(
  { host, port, origins }: McpOptions,
  { server, key }: ServerValues,
  keeper: SessionKeeper,
): Promise<void> {
  if (key !== undefined) throw wrongArguments('--key is not for --http: each caller sends its own key.')
  const url = server ?? loadConfig('caller').GREENROOM_API_URL
  if (url === undefined) throw wrongArguments('--server or GREENROOM_API_URL is missing.')
  const ended = signalled()
  const served = await serveMcpHttp({ host, port, origins, url, keeper, doctor: doctorForAdministrators })
  process.stderr.write(`MCP at ${served.address}\n`)
  await ended
  await served.close()
  await endSessions(keeper)
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

interface HttpValues {
  readonly port?: string | undefined
  readonly host?: string | undefined
  readonly origin?: readonly string[] | undefined
}

function httpOptions({ port = '3003', host = '127.0.0.1', origin = [] }: HttpValues): McpOptions {
  for (const one of origin)
    if (!URL.canParse(one) || new URL(one).origin !== one)
      throw wrongArguments(`--origin ${one.slice(0, 100)} is not an origin such as https://app.example.`)
  return { port: wholeNumber('--port', port, [0, 65_535]), host, origins: origin }
}

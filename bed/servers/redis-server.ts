import { mkdir, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type Program, startProgram, untilReady } from '../processes/start-program.ts'
import { findRedisServer } from '../set-up/binaries.ts'
import { freePort, isFree } from './free-port.ts'

export interface RedisServer {
  /** `redis://127.0.0.1:PORT`; the path of the socket if there is no port. ioredis takes both. */
  readonly url: string
  readonly socketPath: string
  /** Of the server that runs now; another one after restart(). */
  readonly pid: number
  /** Ends it and keeps nothing. */
  stop(): Promise<void>
  /** SIGKILL. restart() needs the same port again; nothing reserves it meanwhile. */
  kill(): Promise<void>
  /** Starts it again on the same port and socket; keeps the data of a running server unless `flush`. */
  restart(options?: { readonly flush?: boolean }): Promise<void>
}

export interface RedisOptions {
  readonly folder: string
  /** Chosen freely if absent; an error if something else listens there. */
  readonly port?: number
  readonly socketOnly?: boolean
  /** Also listens at this address of the machine, and asks everybody for the password. */
  readonly exposed?: { readonly host: string; readonly password: string }
}

/** The machine's redis-server or valkey-server, on loopback unless `exposed`, without persistence. */
export async function startRedis(options: RedisOptions): Promise<RedisServer> {
  const program = findRedisServer()
  if (!program) throw new Error('redis-server is missing: run "npm run setup" first')
  const folder = join(options.folder, 'redis')
  await mkdir(folder, { recursive: true })
  const socketPath = join(folder, 'redis.sock')
  const port = options.socketOnly ? 0 : await portFor(options.port)
  const { host = '127.0.0.1', password = '' } = options.exposed ?? {}
  const start = () => startOnce(program, { folder, socketPath, port, host, password })
  let server = await start()
  const dumpPath = join(folder, 'dump.rdb')
  return {
    url: options.socketOnly ? socketPath : `redis://${password && `:${password}@`}${host}:${port}`,
    socketPath,
    get pid() {
      return server.pid
    },
    stop: () => server.stop(),
    kill: () => server.stop('SIGKILL'),
    restart: async ({ flush = false } = {}) => {
      if (flush) await rm(dumpPath, { force: true })
      else if (server.isRunning()) await command({ socketPath, password }, 'SAVE')
      await server.stop('SIGKILL')
      if (flush) await rm(dumpPath, { force: true })
      server = await start()
    },
  }
}

async function portFor(wanted: number | undefined): Promise<number> {
  if (wanted === undefined) return freePort()
  if (await isFree(wanted)) return wanted
  throw new Error(`something else listens on 127.0.0.1:${wanted}; the bed starts a Redis of its own`)
}

interface ServerSettings {
  readonly folder: string
  readonly socketPath: string
  readonly port: number
  readonly host: string
  /** Empty: none. */
  readonly password: string
}

async function startOnce(
  program_: string,
  { folder, socketPath, port, host, password }: ServerSettings,
): Promise<Program> {
  await rm(socketPath, { force: true })
  const logPath = join(folder, 'redis.log')
  const settings = {
    port: String(port),
    bind: host === '127.0.0.1' ? host : `127.0.0.1 ${host}`,
    requirepass: password,
    unixsocket: socketPath,
    unixsocketperm: '700',
    dir: folder,
    save: '',
    appendonly: 'no',
    daemonize: 'no',
    // Fault tests save to keep data over a restart; without the background child there is no copy-on-write warning.
    'stop-writes-on-bgsave-error': 'no',
  }
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
  const program = await startProgram({ command: program_, args, cwd: folder, logPath })
  // PONG from our own socket: another server on the port would not answer there.
  const isUp = () =>
    command({ socketPath, password }, 'PING').then(
      (answer) => answer.startsWith('+PONG'),
      () => false,
    )
  await untilReady(program, isUp, { name: 'redis-server', logPath, timeoutMs: 10_000 })
  return program
}

/** One inline command; resolves with the first line of its answer. */
function command(
  { socketPath, password }: Pick<ServerSettings, 'socketPath' | 'password'>,
  text: string,
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const lines = [...(password ? [`AUTH ${password}`] : []), text]
  const socket = connect(socketPath, () => socket.write(lines.map((line) => `${line}\r\n`).join('')))
  let heard = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    heard += chunk
    const answers = heard.split('\r\n').slice(0, -1)
    const answer = answers.find((line) => line.startsWith('-')) ?? answers[lines.length - 1]
    if (answer !== undefined) {
      socket.destroy()
      if (answer.startsWith('-')) reject(new Error(`redis refused ${text}: ${answer}`))
      else resolve(answer)
    }
  })
  socket.once('error', reject)
  socket.once('close', () => reject(new Error('redis closed the connection')))
  return promise
}

import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { type Program, startProgram, untilReady } from '../processes/start-program.ts'
import { findLiveKitServer } from '../set-up/binaries.ts'
import { freePort } from './free-port.ts'

export interface LiveKitServer {
  /** `ws://127.0.0.1:PORT`; the same after restart(). */
  readonly url: string
  readonly port: number
  readonly apiKey: string
  readonly apiSecret: string
  readonly logPath: string
  /** Of the server that runs now; another one after restart(). */
  readonly pid: number
  /** Ends it; its rooms are gone, and nobody in them is told. */
  stop(): Promise<void>
  kill(signal?: NodeJS.Signals): Promise<void>
  /** Starts it again on the same port with the same keys. It knows no room then: LiveKit keeps them in memory. */
  restart(): Promise<void>
  /** It takes connections and answers nothing (SIGSTOP) until resume(). */
  stall(): void
  resume(): void
}

export interface LiveKitOptions {
  readonly folder: string
  /** Get every event, signed with the API key. */
  readonly webhookUrls?: readonly string[]
}

/**
 * livekit-server with keys and ports of its own, reached at 127.0.0.1 alone. Media travels over TCP: WebRTC clients send UDP
 * from addresses of the network only. rtc-node connects in 150 ms this way (p50, 2 busy cores); over UDP, at an address of
 * the network, it took 50 ms.
 */
export async function startLiveKit({
  folder: parent,
  webhookUrls = [],
}: LiveKitOptions): Promise<LiveKitServer> {
  const program = findLiveKitServer()
  if (!program) throw new Error('livekit-server is missing: run "npm run setup" first')
  const folder = join(parent, 'livekit')
  await mkdir(folder, { recursive: true })
  const keys = {
    apiKey: `API${randomBytes(6).toString('hex')}`,
    apiSecret: randomBytes(32).toString('base64url'),
  }
  const [port, mediaPort] = [await freePort(), await freePort()]
  const configPath = join(folder, 'livekit.yaml')
  await writeFile(configPath, stringify(configuration({ port, mediaPort, ...keys, webhookUrls })), {
    mode: 0o600,
  })
  const logPath = join(folder, 'livekit.log')
  const start = () => startOnce(program, { configPath, logPath, port })
  let server = await start()
  return {
    url: `ws://127.0.0.1:${port}`,
    port,
    ...keys,
    logPath,
    get pid() {
      return server.pid
    },
    // On the first SIGTERM it waits until every room is empty.
    stop: () => server.stop('SIGKILL'),
    kill: (signal = 'SIGKILL') => server.stop(signal),
    restart: async () => {
      await server.stop('SIGKILL')
      server = await start()
    },
    stall: () => process.kill(server.pid, 'SIGSTOP'),
    resume: () => process.kill(server.pid, 'SIGCONT'),
  }
}

/** Whether startLiveKit() can work here. The bed does without rooms where it cannot. */
export function canStartLiveKit(): boolean {
  return findLiveKitServer() !== undefined
}

interface Configured {
  readonly port: number
  readonly mediaPort: number
  readonly apiKey: string
  readonly apiSecret: string
  readonly webhookUrls: readonly string[]
}

function configuration({ port, mediaPort, apiKey, apiSecret, webhookUrls }: Configured) {
  return {
    port,
    bind_addresses: ['127.0.0.1'],
    keys: { [apiKey]: apiSecret },
    rtc: {
      tcp_port: mediaPort,
      force_tcp: true,
      node_ip: '127.0.0.1',
      enable_loopback_candidate: true,
      ips: { includes: ['127.0.0.1/32'] },
      // Without an entry it sends participants to STUN servers of Google and Twilio.
      stun_servers: [`127.0.0.1:${port}`],
    },
    logging: { level: 'info', json: true },
    ...(webhookUrls.length > 0 && { webhook: { api_key: apiKey, urls: webhookUrls } }),
  }
}

interface StartSettings {
  readonly configPath: string
  readonly logPath: string
  readonly port: number
}

async function startOnce(program_: string, { configPath, logPath, port }: StartSettings): Promise<Program> {
  const program = await startProgram({ command: program_, args: ['--config', configPath], logPath })
  const isUp = () =>
    fetch(`http://127.0.0.1:${port}/`).then(
      (answer) => answer.ok,
      () => false,
    )
  // 70 ms alone on the machine.
  await untilReady(program, isUp, { name: 'livekit-server', logPath, timeoutMs: 20_000 })
  return program
}

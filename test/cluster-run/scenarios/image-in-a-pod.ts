import { type AddressInfo, createServer, type Socket } from 'node:net'
import { until } from '../../../bed/processes/until.ts'
import { type ConfinedPods, confinedPods, graceSeconds } from '../confined-pods.ts'
import { expect, type Scenario } from '../scenario.ts'

const withinMs = 60_000

export const imageInAPod: Scenario = {
  name: 'image-in-a-pod',
  shows: 'the image as uid 1000 on a read-only root, its commands, and its signals as process 1',
  async run(bench) {
    const { check, hostAddress } = bench
    const silent = await startSilentServer(hostAddress)
    const { image } = bench
    const pods = await confinedPods(bench.cluster)
    try {
      await check('runs as uid 1000, without rights, on a root that cannot be written', () =>
        confined(pods, image),
      )
      await check('a role that lacks its configuration says so and ends with 1', () =>
        unconfigured(pods, image),
      )
      await check('npm run migrate works in the image', () =>
        npm(pods, image, ['run', 'migrate'], { code: 1, says: /GRN_INVALID_CONFIG.*DATABASE_URL/s }),
      )
      await check('npm sbom works in the image', () =>
        npm(pods, image, ['sbom', '--sbom-format=spdx'], { code: 0, says: /"SPDXID"/ }),
      )
      await check('a command that waits obeys SIGTERM as process 1', () => waiting(pods, image, silent))
    } finally {
      silent.close()
      await pods.remove()
    }
  },
}

/** What a process of the image may do, told by itself. */
const confinement = `
  const status = fs.readFileSync('/proc/self/status', 'utf8')
  const field = (name) => status.match(name + ':\\\\s*(\\\\S+)')[1]
  const write = (path) => { try { fs.writeFileSync(path, ''); return 'writable' } catch (error) { return error.code } }
  console.log(JSON.stringify({ uid: field('Uid'), effective: field('CapEff'), bounding: field('CapBnd'), seccomp: field('Seccomp'),
    noNewPrivileges: field('NoNewPrivs'), app: write('/app/x'), cache: write('/app/compile-cache/x'), etc: write('/etc/x') }))`

async function confined(pods: ConfinedPods, image: string): Promise<string> {
  await pods.start('confined', { image, command: ['node', '-e', confinement] })
  const { code, output } = await pods.outcome('confined')
  expect(code === 0, `ended with ${code}: ${output}`)
  const none = '0000000000000000'
  const wanted = {
    uid: '1000',
    effective: none,
    bounding: none,
    seccomp: '2',
    noNewPrivileges: '1',
    app: 'EROFS',
    cache: 'EROFS',
    etc: 'EROFS',
  }
  expect(output.trim() === JSON.stringify(wanted), output.trim())
  return 'no capability, seccomp, no new privileges, EROFS'
}

async function unconfigured(pods: ConfinedPods, image: string): Promise<string> {
  await pods.start('unconfigured', { image, args: ['api'] })
  const { code, output } = await pods.outcome('unconfigured')
  expect(code === 1 && output.startsWith('GRN_INVALID_CONFIG: '), `ended with ${code}: ${output}`)
  return output.split('\n')[0]?.slice(0, 60) ?? ''
}

async function npm(
  pods: ConfinedPods,
  image: string,
  args: readonly string[],
  wanted: { readonly code: number; readonly says: RegExp },
): Promise<string> {
  const name = `npm-${args[0]}`
  await pods.start(name, { image, command: ['npm', ...args] })
  const { code, output } = await pods.outcome(name)
  expect(code === wanted.code && wanted.says.test(output), `ended with ${code}: ${output}`)
  expect(!/EROFS|_logs|npm notice/.test(output), `npm complains: ${output}`)
  return `ended with ${code}, ${output.length} characters`
}

/** A migration whose database takes the connection and never says a word. */
async function waiting(pods: ConfinedPods, image: string, silent: SilentServer): Promise<string> {
  await pods.start('waiting', { image, args: ['migrate'], env: { DATABASE_URL: silent.url } })
  await until('a connection to the database', silent.isConnected, withinMs)
  const begun = performance.now()
  await pods.terminate('waiting')
  const { code, output } = await pods.outcome('waiting')
  const seconds = (performance.now() - begun) / 1_000
  expect(code === 143, `ended with ${code}: ${output}`)
  expect(seconds < graceSeconds, `took ${seconds.toFixed(1)} s of ${graceSeconds} s`)
  return `ended with ${code} after ${seconds.toFixed(1)} s of ${graceSeconds} s`
}

interface SilentServer {
  readonly url: string
  readonly isConnected: () => boolean
  close(): void
}

async function startSilentServer(host: string): Promise<SilentServer> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    // The other side ends, or is killed.
    socket.on('error', () => undefined)
  })
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen(0, host, resolve)
  await promise
  const { port } = server.address() as AddressInfo
  return {
    url: `postgres://nobody@${host}:${port}/none`,
    isConnected: () => sockets.size > 0,
    close() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

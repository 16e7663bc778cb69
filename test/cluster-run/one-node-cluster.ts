import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { root } from '../../bed/repository.ts'

/** The scripts of bed/cluster, for programs. Their progress passes through to stderr. */

const scripts = join(root, 'bed/cluster')

export interface OneNodeCluster {
  readonly kubeconfig: string
  /** The machine, as its pods see it. */
  readonly hostAddress: string
  /** `as`: other names for it, full ones. */
  load(archivePath: string, as?: readonly string[]): Promise<void>
  stop(): Promise<void>
}

interface StartOptions {
  /** Holds all state of the cluster; must not exist yet. */
  readonly stateFolder: string
  readonly networkPolicy: boolean
}

/** Builds what the cache lacks (minutes, once), then starts a cluster (seconds). */
export async function startOneNodeCluster({
  stateFolder,
  networkPolicy,
}: StartOptions): Promise<OneNodeCluster> {
  await script('build', ['node'])
  if (networkPolicy) await script('build', ['network-policy'])
  const exported = await script('up', [...(networkPolicy ? ['--network-policy'] : []), stateFolder])
  const kubeconfig = /^export KUBECONFIG=(.+)$/m.exec(exported)?.[1]
  if (!kubeconfig) throw new Error(`bed/cluster/up named no kubeconfig: ${exported}`)
  // Its README: cluster N has 10.200.N.1 on the machine and 10.200.N.2 on the node.
  const settings = await script('facts', [stateFolder])
  const hostAddress = /^host_ip=(.+)$/m.exec(settings)?.[1]
  if (!hostAddress) throw new Error(`bed/cluster/facts named no host_ip: ${settings}`)
  return {
    kubeconfig,
    hostAddress,
    async load(archivePath, as = []) {
      const others = as.flatMap((name) => ['--as', name])
      await script('load-image', ['--state', stateFolder, ...others, '--archive', archivePath])
    },
    async stop() {
      await script('down', [stateFolder])
    },
  }
}

/** Standard output of a script of bed/cluster. Throws when it fails; it has said why on stderr. */
export function script(name: string, args: readonly string[]): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const child = spawn(join(scripts, name), args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part
  })
  child.once('error', reject)
  child.once('close', (code) => {
    if (code === 0) resolve(text.trim())
    else reject(new Error(`bed/cluster/${name} ${args.join(' ')} ended with ${code}`))
  })
  return promise
}

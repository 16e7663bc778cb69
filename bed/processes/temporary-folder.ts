import { chmod, mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeWithMe } from './death-watch.ts'

interface TemporaryFolder extends AsyncDisposable {
  readonly path: string
  remove(): Promise<void>
}

/** Makes a temporary folder. `remove()` deletes it; the death watch does when this process ends without it. */
export async function temporaryFolder(name = 'bed'): Promise<TemporaryFolder> {
  // Short: the path of a unix socket may have 107 characters.
  const path = await mkdtemp(join(await realpath(tmpdir()), `greenroom-${name}-`))
  removeWithMe(path)
  // Other users may enter but not list it: under root, PostgreSQL and the pods run as other users inside.
  await chmod(path, 0o711)
  const remove = () => rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  return { path, remove, [Symbol.asyncDispose]: remove }
}

import { execFile } from 'node:child_process'
import { hash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { flushCompileCache, getCompileCacheDir } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { GreenroomError } from '../errors.ts'

/** Every program that one of our containers may run. */
const programs: readonly (() => Promise<unknown>)[] = [
  () => import('../roles/run-servers.ts'),
  () => import('../roles/api-role.ts'),
  () => import('../roles/controller-role.ts'),
  () => import('../roles/webhook-role.ts'),
  () => import('../certificates/make-certificate-program.ts'),
  () => import('../stores/postgres-migrate.ts'),
  () => import('../agent/echo-agent.ts'),
  () => import('./agent-exec.ts'),
  () => import('./doctor.ts'),
  () => import('./explain.ts'),
  () => import('./scan.ts'),
  () => import('./assign-key.ts'),
]

const mainPath = fileURLToPath(new URL('../main.ts', import.meta.url))

/**
 * Fills Node's compile cache with every program: the sources without types, and their byte code. A process that finds it
 * never loads the type stripper. The cache is kept by user and by Node's version, so the user who will run the image fills
 * it when the image is built.
 *
 * Without a folder this process fills its own, $NODE_COMPILE_CACHE. With one, other processes fill it, each with the same
 * bytes from the same sources, so that two builds of the image are equal. Throws GRN_INVALID_CONFIG where no cache can be
 * written.
 */
export async function fillCompileCache([folder]: readonly string[] = []): Promise<void> {
  if (folder !== undefined) return fillReproducibly(folder)
  if (getCompileCacheDir() === undefined) throw noCache()
  for (const load of programs) await load()
  flushCompileCache()
}

function noCache(): GreenroomError {
  return new GreenroomError(
    'GRN_INVALID_CONFIG',
    'There is no compile cache to fill: set NODE_COMPILE_CACHE to a folder that can be written.',
  )
}

/**
 * Byte code holds hashes of its strings, seeded by chance: 3,008 of 3,450 files differed from run to run. And a garbage
 * collection leaves traces in up to 41 more, depending on when it comes. So the seed is fixed, and the young generation is so
 * large that none comes: six of six runs were equal, on a busy machine too. A cache made so is read without these flags,
 * because V8 leaves them out when it compares flags.
 */
const reproducible = [
  '--random-seed=1',
  '--predictable',
  '--min-semi-space-size=256',
  '--max-semi-space-size=512',
]

/** Each file is the one that most of them made, should a collection come all the same. */
const runs = 3

async function fillReproducibly(folder: string): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), 'greenroom-compile-cache-'))
  try {
    const caches = Array.from({ length: runs }, (_, run) => join(scratch, `${run}`))
    for (const cache of caches) {
      const program = [process.execPath, ...process.execArgv, ...reproducible, mainPath, 'compile-cache']
      await promisify(execFile)('env', [`NODE_COMPILE_CACHE=${cache}`, ...program])
    }
    await keepTheMost(caches, folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EACCES') throw noCache()
    throw error
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

/** Of each file that most of the folders hold, the content that most of them agree on. */
export async function keepTheMost(folders: readonly string[], target: string): Promise<void> {
  const lists = await Promise.all(folders.map(filesOf))
  for (const [path, holders] of Map.groupBy(lists.flat(), (path) => path)) {
    if (holders.length * 2 <= folders.length) continue
    const versions = await Promise.all(
      folders
        .filter((_, index) => lists[index]?.includes(path))
        .map((folder) => readFile(join(folder, path))),
    )
    const alike = [...Map.groupBy(versions, (bytes) => hash('sha256', bytes)).values()]
    const most = alike.toSorted((a, b) => b.length - a.length)[0]?.[0]
    if (!most) continue
    await mkdir(dirname(join(target, path)), { recursive: true })
    await writeFile(join(target, path), most)
  }
}

async function filesOf(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(folder.length + 1))
}

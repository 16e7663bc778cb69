import { spawnSync } from 'node:child_process'
import { hash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { root } from '../../bed/repository.ts'
import { findPython } from '../../bed/set-up/binaries.ts'
import { cacheFolder } from '../../bed/set-up/cache-folder.ts'
import { withSetupLock } from '../../bed/set-up/set-up-lock.ts'

/**
 * A Python environment with these pinned packages, made once and kept in the cache: 10 s and 20 MB for the contract
 * alone, 30 s and 150 MB with LiveKit. Returns its program.
 */
export async function pythonWith(requirements: string): Promise<string> {
  const path = join(root, requirements)
  const machines = findPython() ?? 'python3'
  const version = run(machines, ['--version']).stdout.trim()
  const content = [path, ...included(path)].map((file) => readFileSync(file, 'utf8')).join('\n')
  const folder = join(cacheFolder(), `python-${hash('sha256', `${version}\n${content}`).slice(0, 16)}`)
  const program = join(folder, 'bin', 'python')
  if (existsSync(program)) return program
  await withSetupLock(console.error, async () => {
    if (!existsSync(program)) await make(machines, folder, path)
  })
  return program
}

async function make(python: string, folder: string, requirements: string): Promise<void> {
  const unfinished = await mkdtemp(`${folder}-`)
  try {
    run(python, ['-m', 'venv', unfinished])
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps']
    run(join(unfinished, 'bin', 'python'), [...pip, '--requirement', requirements])
    // Only its scripts know the folder by name, and none of them is used.
    await rename(unfinished, folder)
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true })
    throw error
  }
}

function included(path: string): string[] {
  return [...readFileSync(path, 'utf8').matchAll(/^-r (\S+)$/gm)].map(([, name = '']) =>
    join(dirname(path), name),
  )
}

function run(program: string, args: readonly string[]) {
  const result = spawnSync(program, args, { encoding: 'utf8' })
  if (result.status === 0) return result
  const why = result.error?.message ?? `${result.stdout}${result.stderr}`.trim()
  throw new Error(
    `${program} ${args.join(' ')} failed; the Python examples need Python 3.11 with venv (Debian: apt-get install python3-venv): ${why}`,
  )
}

import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { root } from '../../bed/repository.ts'

/**
 * Which test files need programs that `npm run setup` provides (Redis, PostgreSQL, the Kubernetes programs), and which
 * need nothing but Node. Read from the sources, so that a new test file is in the right group by itself.
 */

/** The one module that finds those programs: what starts a server or kubectl imports it, directly or not. */
const findsPrograms = join(root, 'bed/set-up', 'binaries.ts')

export interface TestFile {
  /** From the top of the checkout. */
  readonly path: string
  readonly needsServers: boolean
  /** The longest time that it sets for itself; 0 if it sets none. */
  readonly timeoutMs: number
}

/**
 * All test files, in an order that leaves no core idle at the end: those that set themselves the longest time come
 * first, those that need no server last.
 */
export function findTestFiles(): readonly TestFile[] {
  const needsServers = createNeedsServers()
  return globSync('test/**/*.test.ts', { cwd: root })
    .toSorted()
    .map((path) => ({ path, needsServers: needsServers(join(root, path)), timeoutMs: timeoutOf(path) }))
    .toSorted((a, b) => Number(b.needsServers) - Number(a.needsServers) || b.timeoutMs - a.timeoutMs)
}

function timeoutOf(path: string): number {
  const text = readFileSync(join(root, path), 'utf8')
  const times = [...text.matchAll(/setTimeout\(([\d_]+)\)|timeout: ([\d_]+)/g)]
  return Math.max(
    0,
    ...times.map(([, whole = '', single = '']) => Number((whole || single).replaceAll('_', ''))),
  )
}

/** Tells of a file whether it can come to start a server, by what it imports or runs as a process. */
export function createNeedsServers(): (path: string) => boolean {
  const known = new Map<string, readonly string[] | 'npm'>()
  return (start) => {
    const seen = new Set([start])
    for (const path of seen) {
      if (path === findsPrograms) return true
      const uses = known.get(path) ?? usedBy(path)
      known.set(path, uses)
      // A script of package.json: those that tests run set servers up first.
      if (uses === 'npm') return true
      for (const used of uses) seen.add(used)
    }
    return false
  }
}

/**
 * Sources that a file names in any string: imported, or the program of a process that it starts (named from the file or
 * from the top of the checkout). Types are left out, for they are gone when the program runs.
 */
function usedBy(path: string): readonly string[] | 'npm' {
  const text = readFileSync(path, 'utf8').replaceAll(/^(?:import|export) type [^']*'[^']*'$/gm, '')
  // As the program of a process; not in brackets of its own, as a name that is only spoken of.
  if (/(?:^|[(,\s])'npm',/.test(text)) return 'npm'
  const names = [...text.matchAll(/['"`]([^'"`\s]+\.ts)['"`]/g)].map(([, name = '']) => name)
  return names.flatMap((name) =>
    [resolve(dirname(path), name), join(root, name)].filter(
      (candidate) => !relative(root, candidate).startsWith('..') && existsSync(candidate),
    ),
  )
}

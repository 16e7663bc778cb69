import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { root } from '../../bed/repository.ts'

/**
 * Which test files need programs that `npm run setup` provides (Redis, PostgreSQL, the Kubernetes programs), and which
 * need nothing but Node. Read from the sources, so that a new test file is in the right group by itself.
 */

/** The one module that finds those programs: what starts a server or kubectl imports it, directly or not. */
const findsPrograms = join(root, 'bed/set-up/binaries.ts')

export interface TestFiles {
  /** Need Node alone. Paths from the top of the checkout. */
  readonly unit: readonly string[]
  readonly withServers: readonly string[]
}

export function findTestFiles(): TestFiles {
  const files = globSync('test/**/*.test.ts', { cwd: root }).toSorted()
  const needs = createNeeds()
  return {
    unit: files.filter((file) => !needs(join(root, file))),
    withServers: files.filter((file) => needs(join(root, file))),
  }
}

/** Whether a file of the checkout can come to start a server, by what it imports or runs as a process. */
function createNeeds(): (path: string) => boolean {
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
  if (text.includes("'npm'")) return 'npm'
  const names = [...text.matchAll(/['"`]([^'"`\s]+\.ts)['"`]/g)].map(([, name = '']) => name)
  return names.flatMap((name) =>
    [resolve(dirname(path), name), join(root, name)].filter(
      (candidate) => !relative(root, candidate).startsWith('..') && existsSync(candidate),
    ),
  )
}

import { spawnSync } from 'node:child_process'
import { root } from '../../bed/repository.ts'
import { findShellCheck } from '../../bed/set-up/binaries.ts'

/** What shellcheck says of these scripts, and of what they source; nothing if they are in order. */
export function shellCheck(paths: readonly string[]): string {
  const program = findShellCheck()
  if (!program) throw new Error('shellcheck is missing: run "npm run setup -- --tests" first')
  const { status, stdout, stderr, error } = spawnSync(program, ['-x', ...paths], {
    cwd: root,
    encoding: 'utf8',
  })
  if (error) throw error
  return status === 0 ? '' : `${stdout}${stderr}`
}

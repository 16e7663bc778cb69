import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { isRoot } from '../processes/system-user.ts'
import { inPath } from './binaries.ts'
import { SetupError } from './set-up-error.ts'

interface Wanted {
  /** Name of the program, and of its package on Debian. */
  readonly program: string
  readonly find: () => string | undefined
  /** What to run on other systems. */
  readonly elsewhere: string
  /** What to know before it is installed. */
  readonly note: string
  readonly say: (line: string) => void
}

/** The path of a program of the machine; as root on Debian or Ubuntu its package is installed. Throws SetupError. */
export function provideDebianPackage({ program, find, elsewhere, note, say }: Wanted): string {
  const found = find()
  if (found) return found
  const command = `apt-get install -y ${program}`
  const isDebian = existsSync('/etc/debian_version') && inPath('apt-get') !== undefined
  if (!isDebian || !isRoot) {
    const advice = isDebian ? `sudo ${command}` : elsewhere
    throw new SetupError(`${program} is missing; install it and run this again: ${advice}`)
  }
  say(`${program} is missing: running "${command}" (${note})`)
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', program]]) {
    const { status, stderr } = spawnSync('apt-get', ['-q', ...args], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      encoding: 'utf8',
    })
    if (status !== 0)
      throw new SetupError(`apt-get ${args[0]} failed; run "${command}" by hand: ${lastLine(stderr)}`)
  }
  const installed = find()
  if (installed) return installed
  throw new SetupError(`"${command}" brought no ${program}; install it by hand.`)
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? ''
}

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { isRoot } from '../processes/system-user.ts'
import { findRedisServer, inPath } from './binaries.ts'
import { SetupError } from './set-up-error.ts'

const command = 'apt-get install -y redis-server'

/** The machine's redis-server or valkey-server; as root on Debian or Ubuntu it is installed. Throws SetupError. */
export async function provideRedis(say: (line: string) => void): Promise<void> {
  if (findRedisServer()) return
  const isDebian = existsSync('/etc/debian_version') && inPath('apt-get') !== undefined
  if (!isDebian || !isRoot) {
    const advice = isDebian
      ? `sudo ${command}`
      : 'brew install redis (macOS), or your system’s package redis or valkey'
    throw new SetupError(`redis-server is missing; install it and run this again: ${advice}`)
  }
  // The package may start a Redis on port 6379: the bed never uses that one, it starts its own on ports of its own.
  say(`redis-server is missing: running "${command}" (a service that it may start on port 6379 is not used)`)
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', 'redis-server']]) {
    const { status, stderr } = spawnSync('apt-get', ['-q', ...args], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      encoding: 'utf8',
    })
    if (status !== 0)
      throw new SetupError(`apt-get ${args[0]} failed; run "${command}" by hand: ${lastLine(stderr)}`)
  }
  if (!findRedisServer())
    throw new SetupError(`"${command}" brought no redis-server; install Redis or Valkey by hand.`)
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? ''
}

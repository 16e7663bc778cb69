import { findRedisServer } from './binaries.ts'
import { provideDebianPackage } from './provide-debian-package.ts'

/** The machine's redis-server or valkey-server; as root on Debian or Ubuntu it is installed. Throws SetupError. */
export async function provideRedis(say: (line: string) => void): Promise<void> {
  provideDebianPackage({
    program: 'redis-server',
    find: findRedisServer,
    elsewhere: 'brew install redis (macOS), or your system’s package redis or valkey',
    // The bed never uses that one, it starts its own on ports of its own.
    note: 'a service that it may start on port 6379 is not used',
    say,
  })
}

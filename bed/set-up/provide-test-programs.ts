import { findChromium, findPgBouncer, findShellCheck, versionOf } from './binaries.ts'
import { provideDebianPackage } from './provide-debian-package.ts'

/** What only tests need: pages are tried in a browser, a pooler is refused, and shell scripts are checked. */
const programs = [
  {
    program: 'chromium',
    find: findChromium,
    elsewhere: 'brew install --cask chromium (macOS), or your system’s package chromium, or Google Chrome',
    note: '200 MB on the disk',
  },
  {
    program: 'pgbouncer',
    find: findPgBouncer,
    elsewhere: 'brew install pgbouncer (macOS), or your system’s package',
    note: 'a service that it may start on port 6432 is not used',
  },
  {
    program: 'shellcheck',
    find: findShellCheck,
    elsewhere: 'brew install shellcheck (macOS), or your system’s package',
    note: '20 MB on the disk',
  },
]

/** The machine's programs; as root on Debian or Ubuntu the missing ones are installed. Throws SetupError. */
export function provideTestPrograms(say: (line: string) => void): void {
  for (const wanted of programs) {
    const path = provideDebianPackage({ ...wanted, say })
    say(`${wanted.program}: ${wanted.program === 'chromium' ? `${versionOf(path)} (${path})` : path}`)
  }
}

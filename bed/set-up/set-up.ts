import { findPostgres, findRedisServer, versionOf } from './binaries.ts'
import { provideControlPlane } from './provide-control-plane.ts'
import { provideHelm } from './provide-helm.ts'
import { provideLiveKit } from './provide-livekit.ts'
import { providePrometheus } from './provide-prometheus.ts'
import { provideRedis } from './provide-redis.ts'
import { provideTestPrograms } from './provide-test-programs.ts'
import { SetupError } from './set-up-error.ts'

/**
 * `npm run setup` makes sure that the bed's programs are on this machine. It prints one line per part; if it cannot go on,
 * it prints one sentence and exits with 1. The bed finds the programs through `binaries.ts`. With `--tests` it also
 * provides the programs that only tests need.
 */

/** As `engines` in package.json; sources run unbuilt. */
const oldestNode = [24, 12] as const

async function setUp(): Promise<void> {
  checkNode()
  await provideRedis(say)
  const redis = findRedisServer()
  if (redis) say(`Redis: ${versionOf(redis)} (${redis})`)
  const postgres = findPostgres()
  if (!postgres) {
    throw new SetupError(
      'PostgreSQL is missing and npm has no binaries for this platform: install it (Debian: apt-get install postgresql, macOS: brew install postgresql) and run this again.',
    )
  }
  say(`PostgreSQL: ${versionOf(postgres.postgres)} (${postgres.source})`)
  const { etcd, source } = await provideControlPlane(say)
  say(`Kubernetes API server, etcd, kubectl: ${versionOf(etcd)} and the rest in ${source}`)
  await sayLiveKit()
  if (!process.argv.includes('--tests')) return
  provideTestPrograms(say)
  say(`Helm: ${await provideHelm(say)}`)
  const { prometheus, promtool } = await providePrometheus(say)
  say(`Prometheus: ${prometheus}, ${promtool}`)
}

/** The one part that the bed does without: sessions then have no room to talk in. */
async function sayLiveKit(): Promise<void> {
  try {
    const program = await provideLiveKit(say)
    say(`LiveKit: ${versionOf(program)} (${program})`)
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    say(`no rooms: ${error.message.replaceAll(/\s+/g, ' ')}`)
  }
}

function checkNode(): void {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const [wantedMajor, wantedMinor] = oldestNode
  if (major < wantedMajor || (major === wantedMajor && minor < wantedMinor)) {
    throw new SetupError(
      `Node ${process.versions.node} is too old: run "npm ci", which brings Node 26 for npm's scripts, or install Node ${oldestNode.join('.')} or newer.`,
    )
  }
  say(`Node: ${process.versions.node} (${process.execPath})`)
}

function say(line: string): void {
  console.log(`setup: ${line}`)
}

try {
  await setUp()
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  console.error(`setup: ${error.message}`)
  process.exitCode = 1
}

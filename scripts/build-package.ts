import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { build, type Metafile, type Plugin } from 'esbuild'

/**
 * `npm run build [-- --out FOLDER]` makes the npm package `greenroom`: the SDKs of agents and of callers and the program
 * `greenroom`, as JavaScript with declarations. Its package.json is made from what the code really imports (ADR 24).
 */

const repository = fileURLToPath(new URL('..', import.meta.url))

/** Public: the names under which people import, and the sources behind them. */
const entries = {
  './agent': 'agent/agent',
  './agent/room': 'agent/join-room',
  './client': 'client/client',
  './client/batch': 'client/client-batch',
} as const

const program = 'cli/greenroom'

/** The program, the same as kubectl's plug-in, and what kubectl asks to complete its words. */
const programNames = ['greenroom', 'kubectl-greenroom', 'kubectl_complete-greenroom'] as const

/** What TypeScript gives to programs for the browser differs from Node's, so the caller's SDK names neither. */
const clients = [entries['./client'], entries['./client/batch']]

/**
 * Whoever has no room needs no WebRTC, whoever records no traces needs no OpenTelemetry, and whoever names the server needs
 * no kubeconfig (62 MB).
 */
const isOptional = /^(@livekit\/rtc-node|@opentelemetry\/.*|@kubernetes\/client-node|undici)$/

interface RootPackage {
  readonly name: string
  readonly version: string
  readonly description: string
  readonly license: string
  readonly engines: Readonly<Record<string, string>>
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
  readonly optionalDependencies: Readonly<Record<string, string>>
}

const rootPackage = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as RootPackage

async function buildPackage(out: string): Promise<void> {
  rmSync(out, { recursive: true, force: true })
  mkdirSync(out, { recursive: true })
  const imported = await bundle(out)
  writeDeclarations(join(out, 'types'))
  writeFileSync(join(out, 'package.json'), `${JSON.stringify(packageJson(imported), undefined, 2)}\n`)
  copyFileSync(join(repository, 'scripts/package-readme.md'), join(out, 'README.md'))
  copyFileSync(join(repository, 'LICENSE'), join(out, 'LICENSE'))
}

/** Returns the packages that the code imports. None of their code is in the bundle, so each comes with its licence. */
async function bundle(out: string): Promise<ReadonlySet<string>> {
  const options = {
    absWorkingDir: repository,
    outdir: out,
    outbase: 'src',
    bundle: true,
    format: 'esm',
    packages: 'external',
    target: 'node24',
    metafile: true,
    logLevel: 'warning',
  } as const
  const [ofNode, ofBrowsers] = await Promise.all([
    build({
      ...options,
      platform: 'node',
      splitting: true,
      chunkNames: 'chunks/[name]-[hash]',
      entryPoints: [entries['./agent'], entries['./agent/room'], program].map((entry) => `src/${entry}.ts`),
      plugins: [withoutOperators],
    }),
    build({
      ...options,
      platform: 'neutral',
      // Browsers that are two years old: without `await using` in the syntax.
      target: 'es2022',
      // Each file whole, as a page loads it.
      entryPoints: clients.map((entry) => `src/${entry}.ts`),
    }),
  ])
  const imported = new Set([...importsOf(ofNode.metafile), ...importsOf(ofBrowsers.metafile)])
  if (importsOf(ofBrowsers.metafile).length > 0) throw new Error('the caller SDK imports a package')
  return imported
}

/** They need the clients of PostgreSQL and Redis, and run where Greenroom runs. */
const withoutOperators: Plugin = {
  name: 'without-operators',
  setup(building) {
    building.onLoad({ filter: /\/operator-commands\.ts$/ }, () => ({
      contents: 'export const operatorCommands = {}',
      loader: 'js',
    }))
    building.onLoad({ filter: /\/(recorded-decisions|session-history)\.ts$/ }, ({ path }) => ({
      contents: `import { GreenroomError } from '../../errors.ts'
        export async function ${camelCase(path)}() {
          throw new GreenroomError('GRN_INVALID_CONFIG', 'The npm package does not read PostgreSQL: use the image or the repository.')
        }`,
      loader: 'js',
      resolveDir: dirname(path),
    }))
  },
}

/** What each of both files exports. */
function camelCase(path: string): string {
  return path.includes('recorded-decisions') ? 'recordedDecisions' : 'readSessionHistory'
}

function importsOf({ inputs, outputs }: Metafile): string[] {
  const foreign = Object.keys(inputs).filter((path) => path.includes('node_modules'))
  if (foreign.length > 0) throw new Error(`code of other packages is in the bundle: ${foreign.join(', ')}`)
  return Object.values(outputs)
    .flatMap(({ imports }) => imports)
    .filter(({ external, path }) => external && !path.startsWith('node:') && !builtinModules.includes(path))
    .map(({ path }) => path.split('/', path.startsWith('@') ? 2 : 1).join('/'))
}

/** The declarations that the entries lead to, and no others. */
function writeDeclarations(out: string): void {
  const all = mkdtempSync(join(tmpdir(), 'greenroom-types-'))
  try {
    const tsc = join(repository, 'node_modules/typescript/bin/tsc')
    const project = join(repository, 'scripts/package.tsconfig.json')
    const made = spawnSync(process.execPath, [tsc, '-p', project, '--outDir', all], { encoding: 'utf8' })
    if (made.status !== 0)
      throw new Error(`the declarations could not be made:\n${made.stdout}${made.stderr}`)
    const reached = new Set(Object.values(entries).map((entry) => join(all, `${entry}.d.ts`)))
    for (const path of reached) {
      const text = readFileSync(path, 'utf8')
      for (const [, name = ''] of text.matchAll(/from '(\.[^']+)\.ts'/g))
        reached.add(resolve(dirname(path), `${name}.d.ts`))
      const target = join(out, relative(all, path))
      mkdirSync(dirname(target), { recursive: true })
      writeFileSync(target, text.replaceAll(/from '(\.[^']+)\.ts'/g, "from '$1.js'"))
    }
  } finally {
    rmSync(all, { recursive: true, force: true })
  }
}

function packageJson(imported: ReadonlySet<string>): object {
  const { name, version, description, license, engines } = rootPackage
  const versions = { ...rootPackage.optionalDependencies, ...rootPackage.dependencies }
  const unknown = [...imported].filter((path) => !versions[path])
  if (unknown.length > 0) throw new Error(`package.json does not list ${unknown.join(', ')}`)
  const versionsOf = (paths: readonly string[]) =>
    Object.fromEntries(paths.map((path) => [path, versions[path]]))
  const { optional = [], needed = [] } = Object.groupBy([...imported].toSorted(), (path) =>
    isOptional.test(path) ? 'optional' : 'needed',
  )
  // Whoever writes JavaScript needs no types.
  const peers = { ...versionsOf(optional), '@types/node': '>=24' }
  return {
    name,
    version,
    description,
    license,
    type: 'module',
    engines,
    sideEffects: false,
    bin: Object.fromEntries(programNames.map((called) => [called, `./${program}.js`])),
    exports: {
      ...Object.fromEntries(
        Object.entries(entries).map(([entry, path]) => [
          entry,
          { types: `./types/${path}.d.ts`, default: `./${path}.js` },
        ]),
      ),
      './package.json': './package.json',
    },
    files: ['agent', 'chunks', 'cli', 'client', 'types'],
    dependencies: versionsOf(needed),
    peerDependencies: peers,
    peerDependenciesMeta: Object.fromEntries(Object.keys(peers).map((peer) => [peer, { optional: true }])),
  }
}

const { values } = parseArgs({ options: { out: { type: 'string', default: join(repository, 'dist') } } })
await buildPackage(resolve(values.out))

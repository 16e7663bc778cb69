import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { stringify } from 'yaml'

/**
 * `node scripts/build-plugin.ts --url URL [--out FOLDER]` makes the plug-in `kubectl greenroom` for krew: an archive of the
 * npm package with everything that it imports, each with its own licence, and the manifest that leads to it at URL. Two
 * builds from the same sources are equal (ADR 41).
 */

const repository = fileURLToPath(new URL('..', import.meta.url))

interface Manifest {
  readonly version: string
  readonly dependencies?: Readonly<Record<string, string>>
}

interface LockedPackage {
  readonly dependencies?: Readonly<Record<string, string>>
}

/** Of no use to a program that runs. */
const leftOut = /\.(d\.[cm]?ts|map|flow)$|\/node_modules$/
/** Of the optional peers those that read a kubeconfig; the others are for agents. */
const peers = ['@kubernetes/client-node', 'undici'] as const

function buildPlugin(out: string, url: string): void {
  const work = mkdtempSync(join(tmpdir(), 'greenroom-plugin-'))
  try {
    const folder = join(work, 'greenroom')
    run(process.execPath, [join(repository, 'scripts/build-package.ts'), '--out', folder])
    const { version, dependencies } = readJson<Manifest>(join(folder, 'package.json'))
    const wanted = [...Object.keys(dependencies ?? {}), ...peers]
    for (const path of packagesBelow(wanted))
      cpSync(join(repository, path), join(folder, path), {
        recursive: true,
        filter: (source) => !leftOut.test(source.slice(join(repository, path).length)),
      })
    mkdirSync(out, { recursive: true })
    const archive = join(out, `greenroom-${version}.tar.gz`)
    pack(work, archive)
    const sha256 = createHash('sha256').update(readFileSync(archive)).digest('hex')
    writeFileSync(
      join(out, 'greenroom.yaml'),
      stringify(krewManifest({ version, url, sha256 }), { lineWidth: 0 }),
    )
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** Places in node_modules: each package, and those that it imports, as npm has placed them. */
function packagesBelow(names: readonly string[]): readonly string[] {
  const { packages } = readJson<{ packages: Record<string, LockedPackage> }>(
    join(repository, 'package-lock.json'),
  )
  const found = new Set<string>()
  const add = (name: string, from: string): void => {
    // The nearest one above counts, as Node looks for it.
    for (let place = from; ; place = place.replace(/\/?(node_modules\/)?(@[^/]+\/)?[^/]+$/, '')) {
      const path = `${place === '' ? '' : `${place}/`}node_modules/${name}`
      const locked = packages[path]
      if (locked && !found.has(path)) {
        found.add(path)
        for (const next of Object.keys(locked.dependencies ?? {}))
          if (!next.startsWith('@types/')) add(next, path)
      }
      if (locked || place === '') return
    }
  }
  for (const name of names) add(name, '')
  return [...found]
}

/** Without times and owners of this machine. */
function pack(folder: string, archive: string): void {
  const plain = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner']
  const compressed = ['-I', 'gzip -n -9', '-cf', archive]
  run('tar', [...plain, ...compressed, '-C', folder, 'greenroom'])
}

function krewManifest({
  version,
  url,
  sha256,
}: Readonly<Record<'version' | 'url' | 'sha256', string>>): object {
  return {
    apiVersion: 'krew.googlecontainertools.github.com/v1alpha2',
    kind: 'Plugin',
    metadata: { name: 'greenroom' },
    spec: {
      version: `v${version}`,
      homepage: new URL('.', url).href,
      shortDescription: 'See and steer warm pools of AI-agent pods',
      description:
        'Lists pools and sessions of Greenroom, says what needs attention and why a pool has its size, opens, follows and ends sessions, resizes and freezes pools. It finds the session server by the kubeconfig.\n',
      caveats:
        'Needs Node.js 24.12 or newer as "node" in the PATH, and an API key in GREENROOM_API_KEY.\nFor completion, link kubectl_complete-greenroom in the PATH to kubectl-greenroom.\n',
      platforms: [
        {
          selector: { matchExpressions: [{ key: 'os', operator: 'In', values: ['darwin', 'linux'] }] },
          uri: url,
          sha256,
          files: [{ from: 'greenroom/*', to: '.' }],
          bin: 'cli/greenroom.js',
        },
      ],
    },
  }
}

function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(path, 'utf8')) as T
}

function run(program: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${program} ${args[0] ?? ''} failed: ${stderr}`)
}

const { values } = parseArgs({
  options: { out: { type: 'string', default: join(repository, 'dist/plugin') }, url: { type: 'string' } },
})
if (values.url === undefined || !URL.canParse(values.url)) {
  process.stderr.write('usage: node scripts/build-plugin.ts --url URL [--out FOLDER]\n')
  process.exitCode = 2
} else buildPlugin(resolve(values.out), values.url)

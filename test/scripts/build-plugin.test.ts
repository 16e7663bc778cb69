import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { root } from '../../bed/repository.ts'
import { findControlPlane } from '../../bed/set-up/binaries.ts'

/** The plug-in as krew installs it: unpacked, linked into the PATH, and called by kubectl. */

t.setTimeout(240_000)
const folder = await temporaryFolder('plugin')
t.teardown(() => folder.remove())
const out = join(folder.path, 'out')
const url = 'https://example.com/greenroom/greenroom.tar.gz'

function run(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const wanted = ['-u', 'NODE_OPTIONS', program, ...args]
  return spawnSync('/usr/bin/env', wanted, {
    cwd: root,
    encoding: 'utf8',
    env: { PATH: process.env.PATH, ...env },
  })
}

interface KrewManifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly spec: {
    readonly version: string
    readonly shortDescription: string
    readonly description: string
    readonly caveats: string
    readonly homepage: string
    readonly platforms: readonly {
      readonly selector: {
        readonly matchExpressions: readonly { key: string; operator: string; values: string[] }[]
      }
      readonly uri: string
      readonly sha256: string
      readonly files: readonly { readonly from: string; readonly to: string }[]
      readonly bin: string
    }[]
  }
}

const built = run(process.execPath, ['scripts/build-plugin.ts', '--url', url, '--out', out])
t.equal(built.status, 0, built.stderr)
const manifest = parse(readFileSync(join(out, 'greenroom.yaml'), 'utf8')) as KrewManifest
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
const archive = join(out, `greenroom-${version}.tar.gz`)

// The rules are those of krew's own internal/index/validation/validate.go, and its naming guide.
void t.test('the manifest keeps the rules of krew', (t) => {
  const { apiVersion, kind, metadata, spec } = manifest
  t.match(
    { apiVersion, kind },
    { apiVersion: 'krew.googlecontainertools.github.com/v1alpha2', kind: 'Plugin' },
  )
  t.match(metadata.name, /^[a-z][a-z0-9-]*$/, 'lower case')
  t.notMatch(metadata.name, /^kube/, 'without a prefix')
  t.equal(spec.version, `v${version}`)
  t.match(spec.version, /^v\d+\.\d+\.\d+$/)
  t.ok(spec.shortDescription.length <= 50 && !/[\r\n]|\.$/.test(spec.shortDescription), spec.shortDescription)
  t.notMatch(spec.shortDescription, /kubectl|plugin/i)
  for (const text of [spec.description, spec.caveats, spec.homepage]) t.ok(text.trim().length > 0)
  t.equal(spec.platforms.length, 1)
  for (const { uri, sha256, bin, files, selector } of spec.platforms) {
    t.equal(uri, url)
    t.match(uri, /^https:.*\.tar\.gz$/)
    t.equal(sha256, createHash('sha256').update(readFileSync(archive)).digest('hex'))
    t.ok(bin.length > 0 && !bin.startsWith('/') && !bin.includes('..'))
    t.ok(files.length > 0)
    for (const { from, to } of files) t.ok(from !== '' && to !== '' && !`${from}${to}`.includes('..'))
    for (const { key, values } of selector.matchExpressions)
      t.ok(['os', 'arch'].includes(key) && values.length > 0)
  }
  t.end()
})

void t.test('kubectl finds it, with its own name in the help and with completion', (t) => {
  const store = join(folder.path, 'store')
  const bin = join(folder.path, 'bin')
  for (const path of [store, bin]) mkdirSync(path)
  const [platform] = manifest.spec.platforms
  // As krew moves "greenroom/*" to ".".
  t.equal(run('tar', ['-xzf', archive, '-C', store, '--strip-components=1']).status, 0)
  for (const name of ['kubectl-greenroom', 'kubectl_complete-greenroom'])
    symlinkSync(join(store, platform?.bin ?? ''), join(bin, name))
  const binaries = findControlPlane()
  if (!binaries) throw new Error('kubectl is missing: run "npm run setup" first')
  const path = `${bin}:${dirname(process.execPath)}:${process.env.PATH}`
  const kubectl = (...args: string[]) =>
    run(binaries.kubectl, args, { PATH: path, HOME: folder.path, GREENROOM_API_KEY: 'a-key' })
  t.match(kubectl('greenroom', 'version'), { status: 0, stdout: `greenroom ${version} ` })
  t.match(kubectl('greenroom', 'pools', '--help'), {
    status: 0,
    stdout: /^Usage: kubectl greenroom pools [^]*\n {2}kubectl greenroom pools explain echo-agent\n/m,
  })
  t.match(kubectl('__complete', 'greenroom', 'pools', 'fr'), { status: 0, stdout: /^freeze\t/ })
  const away = kubectl('greenroom', 'pools', '--kubeconfig', join(folder.path, 'absent'))
  t.match(
    away,
    { status: 2, stderr: /the kubeconfig .*absent cannot be read/ },
    'it has what reads a kubeconfig',
  )
  t.end()
})

void t.test('without an address there is no manifest', (t) => {
  for (const args of [[], ['--url', 'somewhere']])
    t.match(run(process.execPath, ['scripts/build-plugin.ts', ...args]), { status: 2, stderr: /^usage: / })
  t.end()
})

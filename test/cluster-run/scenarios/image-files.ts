import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { root } from '../../../bed/repository.ts'
import { buildAgain, imageFacts } from '../build-greenroom-image.ts'
import type { ImageArchive } from '../image-archive.ts'
import { type Bench, expect, type Scenario } from '../scenario.ts'

/** Measured: 80 MiB of packages, 2 of sources and 11 of compile cache; the rest is room to grow. */
const mostOwnMiB = 110

interface Sbom {
  readonly bomFormat: string
  readonly components: readonly { readonly name: string; readonly version: string }[]
}

interface RootPackage {
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}

export const imageFiles: Scenario = {
  name: 'image-files',
  shows: 'what the image holds, how large it is, and that two builds are the same',
  async run(bench) {
    const { archive } = bench
    if (!archive) {
      bench.say('not run: the image was given, so its files are not here')
      return
    }
    await bench.check('size', () => size(archive))
    await bench.check('user and entry point', async () => {
      const { User, Entrypoint } = archive.config.config
      expect(User === '1000', `the user is ${User}`)
      expect(Entrypoint[0] === 'node', `a shell would not pass signals on: ${Entrypoint.join(' ')}`)
      return `uid ${User}, ${Entrypoint.join(' ')}`
    })
    await bench.check('labels', () => labels(archive))
    await bench.check('nothing of development', () => nothingOfDevelopment(archive))
    await bench.check('bill of materials', () => billOfMaterials(archive))
    await bench.check('compile cache for the user who runs it', async () => {
      const caches = new Set(archive.paths.map((path) => /^\/app\/compile-cache\/([^/]+)/.exec(path)?.[1]))
      caches.delete(undefined)
      const names = [...caches]
      expect(names.length === 1 && names[0]?.endsWith('-1000') === true, `caches: ${names.join(', ')}`)
      return names.join()
    })
    await bench.check('a second build without any cache has the same layers', () => sameAgain(archive, bench))
  },
}

async function size({ bytes }: ImageArchive): Promise<string> {
  const mib = (count: number) => `${(count / 1024 / 1024).toFixed(0)} MiB`
  const seen = `${mib(bytes.own)} above a base of ${mib(bytes.base)}; compressed ${mib(bytes.compressed)} in all`
  expect(bytes.own < mostOwnMiB * 1024 * 1024, `${seen}; at most ${mostOwnMiB} MiB above the base`)
  return seen
}

async function labels({ config }: ImageArchive): Promise<string> {
  const { version, revision, nodeDigest } = await imageFacts()
  const wanted = {
    title: 'Greenroom',
    licenses: 'Apache-2.0',
    version,
    revision,
    'base.name': 'docker.io/library/node:26-bookworm-slim',
    'base.digest': nodeDigest,
  }
  for (const [name, value] of Object.entries(wanted)) {
    const found = config.config.Labels[`org.opencontainers.image.${name}`]
    expect(found === value, `${name} is ${found}, not ${value}`)
  }
  return `${version} of ${revision.slice(0, 12)}`
}

/** Read from package.json, so that a new development dependency is looked for as well. */
async function nothingOfDevelopment({ paths }: ImageArchive): Promise<string> {
  const { devDependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as RootPackage
  const present = new Set(paths)
  const packages = Object.keys(devDependencies).filter((name) => present.has(`/app/node_modules/${name}`))
  // Types of libraries are what some production packages depend on.
  const found = packages.filter((name) => !name.startsWith('@types/'))
  expect(found.length === 0, `development dependencies: ${found.join(', ')}`)
  const ours = paths.filter((path) => path.startsWith('/app/') && !path.startsWith('/app/node_modules/'))
  const wrong = ours.filter((path) =>
    /\.test\.|^\/app\/(test|bed|docs|examples)\b|\.(pem|key|env)$/.test(path),
  )
  expect(wrong.length === 0, `files of development: ${wrong.slice(0, 5).join(', ')}`)
  const outside = paths.filter((path) => path !== '/app' && !path.startsWith('/app/'))
  expect(outside.length === 0, `files outside of /app: ${outside.slice(0, 5).join(', ')}`)
  const top = [...new Set(ours.map((path) => path.split('/')[2] ?? ''))].toSorted()
  return `/app has ${top.join(', ')} and node_modules`
}

/** Each package that lies there is in the bill, and nothing else. */
export async function billOfMaterials(archive: ImageArchive): Promise<string> {
  const sbom = JSON.parse(await archive.read('/app/sbom.cdx.json')) as Sbom
  expect(sbom.bomFormat === 'CycloneDX', `its format is ${sbom.bomFormat}`)
  const listed = new Set(sbom.components.map(({ name }) => name))
  const installed = new Set(
    archive.paths
      .map((path) => /node_modules\/((?:@[^/]+\/)?[^/@.][^/]*)\/package\.json$/.exec(path))
      // A package lies directly in a node_modules; what lies deeper are parts of packages.
      .flatMap((match) => match?.[1] ?? []),
  )
  const missing = [...installed].filter((name) => !listed.has(name))
  const surplus = [...listed].filter((name) => !installed.has(name))
  expect(missing.length === 0, `not listed: ${missing.join(', ')}`)
  expect(surplus.length === 0, `listed but not there: ${surplus.join(', ')}`)
  return `${sbom.components.length} packages listed, as many as there are`
}

async function sameAgain(archive: ImageArchive, { folder, image }: Bench): Promise<string> {
  const again = await buildAgain({ folder, name: `${image}-again` })
  await promisify(execFile)('rm', ['-f', join(folder, 'again.tar')])
  const first = archive.config.rootfs.diff_ids
  const differing = first.filter((layer, index) => again.layers[index] !== layer)
  expect(
    differing.length === 0,
    `${differing.length} of ${first.length} layers differ: ${differing.join(', ')}`,
  )
  expect(again.id === archive.id, 'the layers are the same, the configuration is not')
  return `${first.length} layers, image ${archive.id.slice(0, 12)} both times`
}

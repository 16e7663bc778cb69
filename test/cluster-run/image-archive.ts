import { execFile } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { createGzip } from 'node:zlib'

/** An image as `buildah push … docker-archive:` writes it: a tar with its configuration and its layers. */
export interface ImageArchive {
  readonly path: string
  /** sha256 of its configuration, which names every layer's. */
  readonly id: string
  readonly config: ImageConfig
  /** Paths of all files and folders, from the root, of the layers above the base. */
  readonly paths: readonly string[]
  readonly bytes: { readonly base: number; readonly own: number; readonly compressed: number }
  /** The text of one file of the layers above the base. */
  read(path: string): Promise<string>
}

export interface ImageConfig {
  readonly config: {
    readonly User: string
    readonly Entrypoint: readonly string[]
    readonly Env: readonly string[]
    readonly Labels: Readonly<Record<string, string>>
  }
  readonly rootfs: { readonly diff_ids: readonly string[] }
}

interface Manifest {
  readonly Config: string
  readonly Layers: readonly string[]
}

const execute = promisify(execFile)
const manyBytes = 512 * 1024 * 1024

/** `folder`: for its layers. `baseLayers`: how many of them the base image has. */
export async function openImageArchive(
  path: string,
  folder: string,
  baseLayers: number,
): Promise<ImageArchive> {
  await execute('tar', ['xf', path, '-C', folder])
  const [manifest] = JSON.parse(await textOf(path, 'manifest.json')) as Manifest[]
  if (!manifest) throw new Error(`${path} has no image`)
  const config = JSON.parse(await textOf(path, manifest.Config)) as ImageConfig
  const layers = manifest.Layers.map((layer) => join(folder, layer))
  const own = layers.slice(baseLayers)
  const lists = await Promise.all(own.map(listOf))
  const sizes = await Promise.all(layers.map(async (layer) => (await stat(layer)).size))
  const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0)
  return {
    path,
    id: manifest.Config.replace(/\.json$/, ''),
    config,
    paths: lists.flat(),
    bytes: {
      base: sum(sizes.slice(0, baseLayers)),
      own: sum(sizes.slice(baseLayers)),
      compressed: sum(await Promise.all(layers.map(compressedSize))),
    },
    async read(wanted) {
      const index = lists.findIndex((list) => list.includes(wanted))
      if (index === -1) throw new Error(`the image has no ${wanted}`)
      return textOf(own[index] ?? '', wanted.slice(1))
    },
  }
}

/** Of an archive that is not opened. */
export async function configOf(path: string): Promise<{ id: string; config: ImageConfig }> {
  const [manifest] = JSON.parse(await textOf(path, 'manifest.json')) as Manifest[]
  if (!manifest) throw new Error(`${path} has no image`)
  const config = JSON.parse(await textOf(path, manifest.Config)) as ImageConfig
  return { id: manifest.Config.replace(/\.json$/, ''), config }
}

async function listOf(layer: string): Promise<string[]> {
  const { stdout } = await execute('tar', ['tf', layer], { maxBuffer: manyBytes })
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((path) => `/${path.replace(/^\.?\//, '').replace(/\/$/, '')}`)
}

async function textOf(tar: string, path: string): Promise<string> {
  return (await execute('tar', ['xOf', tar, path], { maxBuffer: manyBytes })).stdout
}

/** What a registry keeps and a node pulls. */
async function compressedSize(layer: string): Promise<number> {
  let size = 0
  const gzip = createGzip()
  gzip.on('data', (chunk: Buffer) => {
    size += chunk.length
  })
  await pipeline(createReadStream(layer), gzip)
  return size
}

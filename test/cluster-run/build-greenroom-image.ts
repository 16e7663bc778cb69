import { execFile } from 'node:child_process'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { root } from '../../bed/repository.ts'
import { configOf, type ImageArchive, openImageArchive } from './image-archive.ts'
import { script } from './one-node-cluster.ts'

/** Builds Greenroom's image by the Dockerfile, without Docker, on the stand-in for its base that bed/cluster makes. */

/** Of every file and of the image. Any fixed time gives two builds the same bytes. */
const sourceDateEpoch = '1767225600'
/** The stand-in has one; the official image has five. */
const baseLayers = 1

export interface BuildOptions {
  /** For the archive. */
  readonly folder: string
  readonly name: string
  /** With LiveKit's library for Node. */
  readonly rooms?: boolean
}

export async function buildGreenroomImage(options: BuildOptions): Promise<ImageArchive> {
  await script('base-image', [])
  const archive = await build(options, 'image', [])
  const unpacked = join(options.folder, 'image')
  await mkdir(unpacked)
  return openImageArchive(archive, unpacked, baseLayers)
}

/** Once more, with nothing kept of an earlier build. Its id and its layers. */
export async function buildAgain(options: BuildOptions): Promise<{ id: string; layers: readonly string[] }> {
  const { id, config } = await configOf(await build(options, 'again', ['--no-cache']))
  return { id, layers: config.rootfs.diff_ids }
}

export interface ImageFacts {
  readonly version: string
  readonly revision: string
  readonly nodeDigest: string
}

let facts: Promise<ImageFacts> | undefined

/** What the labels say. Read once, so that a commit during a run does not change it. */
export function imageFacts(): Promise<ImageFacts> {
  facts ??= readFacts()
  return facts
}

async function readFacts(): Promise<ImageFacts> {
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }
  const { stdout } = await promisify(execFile)('git', ['rev-parse', 'HEAD'], { cwd: root })
  return { version, revision: stdout.trim(), nodeDigest: await script('base-image', ['--digest']) }
}

async function build({ folder, name, rooms }: BuildOptions, file: string, more: readonly string[]) {
  const { version, revision, nodeDigest } = await imageFacts()
  const values = {
    NODE_DIGEST: nodeDigest,
    VERSION: version,
    REVISION: revision,
    ROOMS: rooms ? 'yes' : 'no',
  }
  const args = Object.entries(values).flatMap(([key, value]) => ['--build-arg', `${key}=${value}`])
  const path = join(folder, `${file}.tar`)
  await script('build-image', [
    name,
    root,
    path,
    '--',
    '--timestamp',
    sourceDateEpoch,
    '--quiet',
    ...args,
    ...more,
  ])
  return path
}

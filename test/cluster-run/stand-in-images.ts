import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { root } from '../../bed/repository.ts'
import { script } from './one-node-cluster.ts'
import { type StandIn, standIns } from './stand-in-table.ts'

/**
 * The stand-ins as images in one archive: one root file system is built, and each image is another configuration of it, so that
 * sixteen of them take the room and the time of one.
 */

interface ArchiveEntry {
  readonly Config: string
  readonly RepoTags: readonly string[]
  readonly Layers: readonly string[]
}
interface ImageConfig {
  readonly config: Readonly<Record<string, unknown>> & { readonly Env: readonly string[] }
}

const execute = promisify(execFile)
const builtAs = 'greenroom-stand-in:e2e'
let archive: Promise<string> | undefined

/** Path of the archive. Built once in a run; buildah keeps the layers for the next one. */
export function buildStandIns(folder: string): Promise<string> {
  archive ??= build(join(folder, 'stand-ins'))
  return archive
}

async function build(folder: string): Promise<string> {
  const unpacked = join(folder, 'unpacked')
  await mkdir(unpacked, { recursive: true })
  const built = join(folder, 'built.tar')
  const context = join(folder, 'context')
  await cp(join(root, 'test/cluster-run/stand-ins'), context, { recursive: true })
  await cp(join(root, 'examples/python-agent'), join(context, 'python-agent'), { recursive: true })
  await script('build-image', [builtAs, context, built, '--', '--quiet'])
  await execute('tar', ['xf', built, '-C', unpacked])
  const [entry] = JSON.parse(await readFile(join(unpacked, 'manifest.json'), 'utf8')) as ArchiveEntry[]
  if (!entry) throw new Error(`${built} holds no image`)
  const base = JSON.parse(await readFile(join(unpacked, entry.Config), 'utf8')) as ImageConfig
  const entries = await Promise.all(
    Object.entries(standIns).map(async ([name, standIn]) => {
      const text = JSON.stringify(configured(base, standIn))
      const Config = `${createHash('sha256').update(text).digest('hex')}.json`
      await writeFile(join(unpacked, Config), text)
      return { ...entry, Config, RepoTags: [fullName(name)] }
    }),
  )
  await writeFile(join(unpacked, 'manifest.json'), JSON.stringify(entries))
  const all = join(folder, 'stand-ins.tar')
  // By their names: `.` would put ./ before each.
  await execute('tar', ['cf', all, '-C', unpacked, ...(await readdir(unpacked))])
  await execute('rm', ['-r', built, context, unpacked])
  return all
}

/** As Kubernetes asks for it. */
export function fullName(name: string): string {
  const [first = '', ...rest] = name.split('/')
  if (rest.length === 0) return `docker.io/library/${name}`
  return /[.:]/.test(first) ? name : `docker.io/${name}`
}

function configured(base: ImageConfig, { role, user, command, env = {} }: StandIn): object {
  const variables = role === 'none' ? env : { STAND_IN: role, ...env }
  const kept = base.config.Env.filter(
    (entry) => !Object.keys(variables).some((key) => entry.startsWith(`${key}=`)),
  )
  return {
    ...base,
    config: {
      ...base.config,
      Env: [...kept, ...Object.entries(variables).map(([key, value]) => `${key}=${value}`)],
      ...(user !== undefined && { User: `${user}` }),
      ...(role === 'none' && { Entrypoint: null, Cmd: command }),
    },
  }
}

import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { findLiveKitServer } from '../../bed/set-up/binaries.ts'
import { script } from './one-node-cluster.ts'

/** LiveKit as an image: the program that set-up has built, under the name and at the place of the official one. */

const name = 'livekit/livekit-server:v1.13.5'
let archive: Promise<string> | undefined

/** Path of the archive; built once in a run. Throws where set-up has not built the program. */
export function buildLiveKitImage(folder: string): Promise<string> {
  archive ??= build(folder)
  return archive
}

async function build(folder: string): Promise<string> {
  const program = findLiveKitServer()
  if (!program) throw new Error('livekit-server is missing: run "npm run setup"')
  const context = join(folder, 'livekit')
  await mkdir(context)
  await copyFile(program, join(context, 'livekit-server'))
  const lines = ['FROM node:26-bookworm-slim', 'COPY livekit-server /', 'ENTRYPOINT ["/livekit-server"]']
  await writeFile(join(context, 'Dockerfile'), `${lines.join('\n')}\n`)
  const path = join(folder, 'livekit.tar')
  await script('build-image', [name, context, path, '--', '--quiet'])
  return path
}

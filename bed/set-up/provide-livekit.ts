import { builtLiveKitFolder, findLiveKitServer, liveKitBuild } from './binaries.ts'
import { buildGoProgram, findGo, oldestGo } from './go-program.ts'
import { SetupError } from './set-up-error.ts'
import { withSetupLock } from './set-up-lock.ts'

/** livekit-server: found, else built with Go. Throws SetupError. */
export async function provideLiveKit(say: (line: string) => void): Promise<string> {
  const found = findLiveKitServer()
  if (found) return found
  if (process.env.GREENROOM_LIVEKIT_SERVER) throw new SetupError('GREENROOM_LIVEKIT_SERVER names no program')
  return withSetupLock(say, async () => {
    // Another set-up may have provided it while this one waited.
    const provided = findLiveKitServer() ?? (await build(say))
    if (provided) return provided
    throw new SetupError(
      `livekit-server is not here: install it or Go ${oldestGo} or newer, or set GREENROOM_LIVEKIT_SERVER to its path, and run this again.`,
    )
  })
}

async function build(say: (line: string) => void): Promise<string | undefined> {
  const go = findGo()
  if (!go) return undefined
  say('building livekit-server with Go, once: 2 to 4 minutes on two cores')
  const options = { go, folder: builtLiveKitFolder(), say }
  await buildGoProgram({ name: 'livekit-server', ...liveKitBuild }, options)
  return findLiveKitServer()
}

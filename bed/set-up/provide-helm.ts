import { builtHelmFolder, findHelm, helmBuild } from './binaries.ts'
import { buildGoProgram, findGo, oldestGo } from './go-program.ts'
import { SetupError } from './set-up-error.ts'
import { withSetupLock } from './set-up-lock.ts'

/** Helm, for the tests of the chart: found, else built with Go. Throws SetupError. */
export async function provideHelm(say: (line: string) => void): Promise<string> {
  const found = findHelm()
  if (found) return found
  if (process.env.GREENROOM_HELM) throw new SetupError('GREENROOM_HELM names no program')
  return withSetupLock(say, async () => {
    // Another set-up may have provided it while this one waited.
    const provided = findHelm() ?? (await build(say))
    if (provided) return provided
    throw new SetupError(
      `Helm is not here: install Go ${oldestGo} or newer, or set GREENROOM_HELM to the path of a helm 4, and run this again.`,
    )
  })
}

async function build(say: (line: string) => void): Promise<string | undefined> {
  const go = findGo()
  if (!go) return undefined
  say('building helm with Go, once: 4 to 8 minutes on two cores')
  await buildGoProgram({ name: 'helm', ...helmBuild }, { go, folder: builtHelmFolder(), say })
  return findHelm()
}

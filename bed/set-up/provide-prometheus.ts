import {
  builtPrometheusFolder,
  findPrometheus,
  type PrometheusBinaries,
  prometheusBuild,
  prometheusPrograms,
} from './binaries.ts'
import { buildGoProgram, findGo, oldestGo } from './go-program.ts'
import { SetupError } from './set-up-error.ts'
import { withSetupLock } from './set-up-lock.ts'

/** Prometheus and promtool, for the tests of alerts and dashboards: found, else built with Go. Throws SetupError. */
export async function providePrometheus(say: (line: string) => void): Promise<PrometheusBinaries> {
  const found = findPrometheus()
  if (found) return found
  if (process.env.GREENROOM_PROMETHEUS)
    throw new SetupError('GREENROOM_PROMETHEUS names no folder with prometheus and promtool')
  return withSetupLock(say, async () => {
    // Another set-up may have provided them while this one waited.
    const provided = findPrometheus() ?? (await build(say))
    if (provided) return provided
    throw new SetupError(
      `Prometheus is not here: install Go ${oldestGo} or newer, or set GREENROOM_PROMETHEUS to the folder of a prometheus and a promtool 3, and run this again.`,
    )
  })
}

async function build(say: (line: string) => void): Promise<PrometheusBinaries | undefined> {
  const go = findGo()
  if (!go) return undefined
  say('building prometheus and promtool with Go, once: 4 to 6 minutes on two cores')
  const options = { go, folder: builtPrometheusFolder(), say }
  for (const program of prometheusPrograms) await buildGoProgram({ ...prometheusBuild, ...program }, options)
  return findPrometheus()
}

import { writeFileSync } from 'node:fs'
import { Session } from 'node:inspector'
import { join } from 'node:path'

/**
 * Loaded into the API process by `--profile` (`node --import`): SIGUSR2 starts the CPU profiler, the next SIGUSR2 stops it
 * and writes `api-N.cpuprofile` into the folder named in this module's own address (`?folder=`). One profile a case, without the start of the process.
 */
const folder = new URL(import.meta.url).searchParams.get('folder') ?? '.'
const session = new Session()
session.connect()
let running = false
let count = 0

process.on('SIGUSR2', () => {
  if (!running) {
    running = true
    session.post('Profiler.enable')
    session.post('Profiler.start')
    return
  }
  running = false
  session.post('Profiler.stop', (error, result) => {
    if (!error) writeFileSync(join(folder, `api-${(count += 1)}.cpuprofile`), JSON.stringify(result.profile))
  })
})

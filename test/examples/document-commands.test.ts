import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../../bed/repository.ts'
import { alfredCommands } from '../cluster-run/document-commands/alfred.ts'
import { sekhaCommands } from '../cluster-run/document-commands/sekha.ts'
import { stationCommands } from '../cluster-run/document-commands/station.ts'
import { stellaCommands } from '../cluster-run/document-commands/stella.ts'

/** `npm run e2e` runs each command of the examples on a real cluster; here, that these are the ones of the READMEs. */

const tables = {
  station: stationCommands,
  alfred: alfredCommands,
  sekha: sekhaCommands,
  stella: stellaCommands,
}

for (const [system, commands] of Object.entries(tables)) {
  void t.test(`${system}: what is run is what the README says`, async (t) => {
    const readme = readFileSync(join(root, 'examples', system, 'README.md'), 'utf8')
    // A pipe ends a cell unless it is escaped; a long line is broken for the shell.
    const text = readme.replaceAll('\\|', '|').replaceAll(/ \\\n\s*/g, ' ')
    for (const { item, command } of commands) t.ok(text.includes(command), `${item}: ${command}`)
  })
}

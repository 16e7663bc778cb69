import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { temporaryFolder } from '../../bed/processes/temporary-folder.ts'
import { startSandboxBed } from './sandbox-bed.ts'
import { readSandboxKinds } from './sandbox-kinds.ts'
import { newest, writeStandInCrds } from './stand-in-crds.ts'

t.setTimeout(120_000)

void t.test('a controller that makes no pool is told with its last words, and is ended', async (t) => {
  await using folder = await temporaryFolder('sandbox-bed')
  const kinds = await readSandboxKinds(await writeStandInCrds(join(folder.path, 'crds'), [newest]))
  const program = join(folder.path, 'controller')
  const pidPath = join(folder.path, 'pid')
  const lines = [
    '#!/bin/sh',
    `if [ "$1" = --help ]; then echo '  -extensions'; exit 0; fi`,
    `echo $$ > '${pidPath}'`,
    'echo I would rather not',
    'exec sleep 600',
    '',
  ]
  await writeFile(program, lines.join('\n'), { mode: 0o755 })
  const bed = startSandboxBed({
    program,
    flags: [],
    kinds,
    pool: 2,
    more: 2,
    readyAfterMs: 0,
    fullTimeoutMs: 500,
    say: () => undefined,
  })
  await t.rejects(bed, {
    message: /^not within 500 ms: a full pool of agent-sandbox; its controller says:\nI would rather not\n$/,
  })
  const pid = Number(await readFile(pidPath, 'utf8'))
  t.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
})

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { root } from '../../bed/repository.ts'

/** `npm run chaos` as CI runs it: short, and always the same faults. A longer one is for a person and an evening. */

// The bed's start, the faults, and as long as everything may take to heal on a machine that does other things too.
t.setTimeout(400_000)

interface Finished {
  readonly stdout: string
  readonly stderr: string
  readonly code: number
}

async function chaos(...flags: string[]): Promise<Finished> {
  const run = promisify(execFile)(process.execPath, ['test/chaos/chaos.ts', ...flags], {
    cwd: root,
    maxBuffer: 64 * 1024 * 1024,
  })
  return run.then(
    ({ stdout, stderr }) => ({ stdout, stderr, code: 0 }),
    (error: Finished) => error,
  )
}

void t.test('20 s of random faults leave every invariant intact', async (t) => {
  const { code, stdout, stderr } = await chaos('--seconds', '20', '--seed', '4')
  t.comment(stdout)
  t.equal(code, 0, stderr)
  t.match(stdout, /faults \(\d+ kills\)/)
  t.match(stdout, /operations by outcome\n +\d+ {2}end/)
  t.match(stdout, /violations: 0/)
})

void t.test('a wrong flag ends it with one sentence', async (t) => {
  t.match(await chaos('--seed', 'any'), {
    code: 2,
    stderr: /--seed takes a whole number of at least 0, not "any"/,
  })
})

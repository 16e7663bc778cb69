import { t } from 'tap'

/**
 * The program that `run-tests.ts` starts: `node run-files.ts JOBS TIMEOUT_MS FILE…` runs each file as a process of its
 * own, JOBS at once, and prints their TAP.
 *
 * The command `tap` would load every file with hooks for mocks, coverage and process tracking, and hand them on to the
 * processes that tests start. Greenroom's tests use none of it, and it took more than a third of the processor time of
 * the unit tests (8.1 s against 4.8 s for six files). So tap's own runner of processes is used without them.
 */
const [jobs = '1', timeoutMs = '0', ...files] = process.argv.slice(2)
t.jobs = Number(jobs)
// Each file has a time of its own; all of them together have none.
t.setTimeout(0)
/** A failed file shows its own output, not the line that started it here. */
const quiet = { buffered: true, at: null, stack: '' }
for (const file of files) {
  // tap puts one hook into NODE_OPTIONS of all that it spawns.
  const command = ['-u', 'NODE_OPTIONS', process.execPath, file]
  void t.spawn('/usr/bin/env', command, { ...quiet, timeout: Number(timeoutMs) }, file)
}

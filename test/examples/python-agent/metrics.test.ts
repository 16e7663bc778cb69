import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { root } from '../../../bed/repository.ts'
import { findPython } from '../../../bed/set-up/binaries.ts'
import { createAgentMetrics } from '../../../src/agent/agent-metrics.ts'

/** metrics.py needs nothing but Python: no environment is made for it. */

void t.test('the series of the Python agent are those of the SDK', async (t) => {
  const python = findPython()
  if (!python) throw new Error('python3 is missing')
  const seconds = [0.0005, 0.02, 0.02, 3, 60]
  const program = `
from metrics import Metrics
metrics = Metrics("stella-agent")
print(metrics.text(), "---", sep="")
for seconds in ${JSON.stringify(seconds)}: metrics.message_processed(seconds)
print(metrics.text(), end="")`
  const cwd = join(root, 'examples/python-agent')
  const env = { PYTHONDONTWRITEBYTECODE: '1' }
  const { stdout } = await promisify(execFile)(python, ['-c', program], { cwd, env })
  const [before, after] = stdout.split('---\n')
  const ours = createAgentMetrics('stella-agent')
  t.strictSame(linesOf(before), linesOf(await ours.text()), 'before the first message')
  for (const latency of seconds) ours.messageProcessed(latency)
  t.strictSame(linesOf(after), linesOf(await ours.text()), 'and after some')
})

/** Sums differ in their last digit. */
function linesOf(text = ''): string[] {
  return text
    .trim()
    .split('\n')
    .map((line) => line.replace(/(_sum\{.*\} [\d.]{8})\d+$/, '$1'))
    .filter((line) => line !== '')
    .toSorted()
}

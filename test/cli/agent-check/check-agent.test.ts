import { rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { type CheckOptions, checkAgent } from '../../../src/cli/agent-check/check-agent.ts'
import { ruleNames } from '../../../src/cli/agent-check/contract-rules.ts'
import { readOnlyStart } from '../../../src/cli/agent-check/read-only-start.ts'
import { type Fault, faults } from './faults.ts'

/** Each rule is shown to find the fault that it is there for. Real agents are checked in `agent-check.test.ts`. */

t.setTimeout(240_000)
// Most of a fault's time is spent in waiting for an agent.
t.jobs = 3

const program = fileURLToPath(new URL('./broken-agent.ts', import.meta.url))

function check(
  wanted: readonly Fault[],
  only: readonly string[] | undefined,
  change: Partial<CheckOptions> = {},
) {
  const { PATH, NODE_COMPILE_CACHE } = process.env
  return checkAgent({
    command: [process.execPath, program],
    env: { PATH, NODE_COMPILE_CACHE, FAULTS: wanted.join() },
    port: 8080,
    agentType: 'broken-agent',
    only: only && new Set(only),
    limits: { startMs: 10_000, answerMs: 1_500, graceMs: 10_000 },
    ...change,
  })
}

/** For faults that are found by waiting in vain. */
const impatient = { limits: { startMs: 10_000, answerMs: 1_500, graceMs: 1_000 } }

const readOnly = readOnlyStart(['true'])
const canMountReadOnly = !('problem' in readOnly)
if (!('problem' in readOnly)) t.teardown(() => rmSync(readOnly.folder, { recursive: true, force: true }))

void t.test('an agent without a fault breaks no rule', async (t) => {
  const { results } = await check([], undefined)
  t.same(
    results.filter(({ verdict }) => verdict === 'failed'),
    [],
  )
  t.same(
    results.map(({ rule }) => rule),
    ruleNames,
  )
  t.same(
    results.filter(({ verdict }) => verdict === 'not tried').map(({ rule }) => rule),
    canMountReadOnly ? [] : ['read-only-root'],
  )
})

void t.test('every rule finds a fault of its own', (t) => {
  t.same(new Set(Object.values(faults)), new Set(ruleNames))
  t.end()
})

for (const [fault, rule] of Object.entries(faults) as [Fault, string][]) {
  void t.test(`${fault} is found by ${rule}`, { buffered: true }, async (t) => {
    if (rule === 'read-only-root' && !canMountReadOnly)
      return t.comment('not tried: this machine makes no read-only root')
    t.teardown(() => rmSync(new URL('./broken-agent.state', import.meta.url), { force: true }))
    // Rules about the whole run need something that they can look at.
    const only = rule.startsWith('no-secret') ? [rule, 'acknowledges', 'body-hash'] : [rule]
    const change = fault === 'never-listens' ? { limits: { ...impatient.limits, startMs: 700 } } : impatient
    const { results } = await check([fault], only, change)
    const found = results.find((result) => result.rule === rule)
    t.match(found, { verdict: 'failed', seen: /\S/, fix: /\S/ }, found?.seen ?? 'nothing was found')
    t.same(
      results.filter((result) => result !== found && result.verdict !== 'passed'),
      [],
      'and by no other that was tried',
    )
  })
}

void t.test('an agent that does not start: nothing else is said about it', async (t) => {
  const { results } = await check([], undefined, { command: [process.execPath, '-e', 'process.exit(3)'] })
  t.match(results[0], { rule: 'starts', verdict: 'failed', seen: /exit code 3/ })
  t.ok(results.slice(1).every(({ verdict }) => verdict === 'not tried'))
  const missing = await check([], ['starts'], { command: ['/there/is/no/such/program'] })
  t.match(missing.results, [{ verdict: 'failed', seen: /ENOENT/ }])
})

void t.test('an agent that listens on all addresses runs one at a time', async (t) => {
  // Not 8080: another test of this machine may have agents there.
  const port = 20_000 + (process.pid % 10_000)
  const env = { PATH: process.env.PATH, FAULTS: 'listens-everywhere', PORT: String(port) }
  const only = ['health', 'acknowledges', 'repeated', 'two-at-once', 'sigterm-exits', 'other-epoch']
  const { results } = await check([], only, { env, port })
  t.same(
    results.map(({ rule, verdict }) => `${rule} ${verdict}`).toSorted(),
    only.map((rule) => `${rule} passed`).toSorted(),
  )
})

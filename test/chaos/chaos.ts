import { cp, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Bed, startBed } from '../../bed/bed.ts'
import { poolsDocument } from '../../bed/pools-document.ts'
import { until } from '../../bed/processes/until.ts'
import { readFlags, wholeNumber } from '../../bed/programs/command-line.ts'
import { createBedClient } from '../../bed/replicas/bed-client.ts'
import { createHistory, type HistoryEntry } from '../support/history.ts'
import { planFaults } from './fault-plan.ts'
import { createFaults, type Faults } from './faults.ts'
import { settle } from './settle.ts'
import { runStorm } from './storm.ts'
import { judge } from './verdict.ts'

/**
 * `npm run chaos [-- --seconds N --seed N --callers N --keep FOLDER]`: three replicas behind a balancer under a storm
 * of claims, while their processes and servers are killed, stopped and cut off from each other. Exit 1 on a violation.
 * `--keep`: the history and the logs of every role go to this folder.
 */

const flags = readFlags({
  seconds: { type: 'string', default: '120' },
  seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  callers: { type: 'string', default: '6' },
  keep: { type: 'string', default: '' },
})
const seconds = wholeNumber('seconds', flags.seconds, 1)
const seed = wholeNumber('seed', flags.seed, 0)
const callers = wholeNumber('callers', flags.callers, 1)

const agentType = 'echo-agent'
/** Few for six callers: often none is left, so that opens wait, or are cold. */
const idlePods = 8
/** Less than a caller's patience: some cold opens are given up by the pool, some by their caller. */
const coldDeadlineSeconds = 20
/** A session that its caller forgot is over by then; its agent alone would keep it for ever. */
const maxSessionSeconds = 40
const fillTimeoutMs = 120_000
const began = performance.now()
const marks = { kept: `kept-in-metadata-${seed}`, secret: `sk-just-in-time-${seed}` }

function say(line: string): void {
  console.log(`${((performance.now() - began) / 1_000).toFixed(1).padStart(6)} s  ${line}`)
}

async function untilWarm(bed: Bed): Promise<void> {
  const client = createBedClient({ url: bed.balancer?.url ?? '', apiKey: bed.apiKey })
  let pool = ''
  try {
    await until(
      'a warm pool',
      async () => {
        // A busy machine may answer the balancer's look too late; it then resets connections for a moment.
        const answer = await client.pool(agentType).catch((error: unknown) => void (pool = String(error)))
        pool = answer?.text ?? pool
        return answer !== undefined && answer.body.ready >= idlePods
      },
      fillTimeoutMs,
    )
  } catch (error) {
    throw new Error(`the pool did not fill: ${pool}`, { cause: error })
  } finally {
    client.close()
  }
}

/** What is left to say after the run. */
interface Run {
  readonly entries: readonly HistoryEntry[]
  readonly faults: Faults
  readonly violations: readonly string[]
}

async function runOn(bed: Bed): Promise<Run> {
  await untilWarm(bed)
  const history = createHistory(() => performance.now() - began)
  const faults = createFaults(bed, history)
  const ending = new AbortController()
  say(`storm: ${callers} callers, ${seconds} s of faults, seed ${seed}`)
  const storm = runStorm({
    url: bed.balancer?.url ?? '',
    apiKey: bed.apiKey,
    agentType,
    history,
    callers,
    seed,
    marks,
    signal: ending.signal,
  })
  const from = performance.now()
  for (const planned of planFaults(seed, seconds)) {
    await pause(Math.max(0, from + planned.atMs - performance.now()))
    faults.begin(planned)
  }
  await faults.healed()
  say('every fault is healed')
  ending.abort()
  await storm
  const remains = await settle(bed, agentType, say)
  const entries = history.entries()
  const violations = await judge({ bed, entries, ...faults, marks })
  return { entries, faults, violations: [...faults.troubles, ...remains, ...violations] }
}

/** How often each operation had each outcome. */
function counts(entries: readonly HistoryEntry[]): readonly string[] {
  const kinds = new Map<number, string>()
  const found = new Map<string, number>()
  for (const entry of entries) {
    if (entry.type === 'invoke') kinds.set(entry.id, entry.operation.kind)
    if (entry.type === 'invoke' || entry.type === 'fault') continue
    const outcome = entry.type === 'ok' ? 'ok' : `${entry.type} ${entry.code}`
    const cold = entry.type === 'ok' && entry.answer.live && entry.answer.pod === '' ? ' without a pod' : ''
    const name = `${(kinds.get(entry.id) ?? '').padEnd(6)} ${outcome}${cold}`
    found.set(name, (found.get(name) ?? 0) + 1)
  }
  return [...found]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([name, count]) => `${String(count).padStart(6)}  ${name}`)
}

function tell({ entries, faults, violations }: Run): void {
  const faultLines = entries.flatMap((entry) =>
    entry.type === 'fault' ? [`${(entry.at / 1_000).toFixed(2).padStart(8)} s  ${entry.fault}`] : [],
  )
  console.log(`\nfaults (${faults.kills()} kills)\n${faultLines.join('\n')}`)
  console.log(`\noperations by outcome\n${counts(entries).join('\n')}`)
  console.log(`\nviolations: ${violations.length}`)
  for (const violation of violations) console.log(`  ${violation}`)
}

async function keep({ folder }: Bed, { entries }: Run): Promise<void> {
  await mkdir(flags.keep, { recursive: true })
  const lines = entries.map((entry) => `${JSON.stringify(entry)}\n`)
  await writeFile(join(flags.keep, 'history.jsonl'), lines.join(''))
  await cp(join(folder, 'logs'), join(flags.keep, 'logs'), { recursive: true })
  await cp(join(folder, 'kubelet.log'), join(flags.keep, 'logs', 'kubelet.log'))
}

const more = `maxSessionSeconds: ${maxSessionSeconds}\ncoldStart: { deadlineSeconds: ${coldDeadlineSeconds} }`
const bed = await startBed({
  replicas: 3,
  balanced: true,
  proxied: true,
  pools: poolsDocument({ min: idlePods, max: 60, more }),
  say,
})
let fine = false
try {
  const run = await runOn(bed)
  tell(run)
  fine = run.violations.length === 0
  if (flags.keep !== '') await keep(bed, run)
} finally {
  if (!fine) console.log(`\nagain: npm run chaos -- --seconds ${seconds} --seed ${seed} --callers ${callers}`)
  await bed.stop()
}
say(fine ? 'every invariant held' : 'NOT every invariant held')
process.exitCode = fine ? 0 : 1

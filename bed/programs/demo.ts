import { writeFile } from 'node:fs/promises'
import { type Bed, startBed } from '../bed.ts'
import { poolsDocument } from '../pools-document.ts'
import { callersEnvironment, readFlags, wholeNumber } from './command-line.ts'
import { type DemoReport, discarded, runDemo, seconds } from './demo-run.ts'
import type { Percentiles } from './percentiles.ts'

/** `npm run demo [-- --sessions N --report FILE]`: see Greenroom work, on a real API server. Exit 1 if anything was lost. */

const flags = readFlags({
  sessions: { type: 'string', default: '20' },
  report: { type: 'string', default: '' },
})
const sessions = wholeNumber('sessions', flags.sessions, 1)
const began = performance.now()

function say(line: string): void {
  console.log(`${seconds(performance.now() - began).padStart(7)}  ${line}`)
}

/** Enough warm pods for all sessions: the demo shows claims, not what happens when a pool is empty (`onEmpty`). */
const min = sessions + discarded

async function tell(bed: Bed): Promise<DemoReport> {
  const report = await runDemo({ bed, sessions, say, whileOpen: () => showPods(bed) })
  console.log(`\n${table(report)}\n`)
  await showDenial(bed)
  return report
}

/** The cluster's own view of the sessions. */
async function showPods(bed: Bed): Promise<void> {
  const args = ['get', 'pods', '-n', bed.namespace, '-L', 'greenroom.dev/pool,greenroom.dev/state,session']
  const { stdout } = await bed.plane.kubectl(args)
  const lines = stdout.trimEnd().split('\n')
  const claimed = lines.filter((line) => line.includes('claimed'))
  const idle = lines.filter((line) => line.includes('idle'))
  const some = [lines[0], ...claimed.slice(0, 4), ...idle.slice(0, 2)]
  console.log(`\n$ kubectl ${args.join(' ')}\n${some.join('\n')}\n… ${lines.length - 1} pods in all\n`)
}

/** A pod that breaks the policy is refused; the answer says what is wrong, where, and how to fix it. */
async function showDenial(bed: Bed): Promise<void> {
  const args = ['run', 'rogue', '-n', bed.namespace, '--image=busybox', '--labels=agent-type=unknown-agent']
  const { stderr } = await bed.plane.kubectl(args)
  console.log(`$ kubectl ${args.join(' ')}\n${stderr.trim()}\n`)
}

function table({ openMs, stagesMs }: DemoReport): string {
  const row = (name: string, { p50, p90, max }: Percentiles) =>
    `${name.padEnd(22)}${[p50, p90, max].map((ms) => ms.toFixed(1).padStart(9)).join('')}`
  return [
    `${'milliseconds'.padEnd(22)}${['p50', 'p90', 'max'].map((name) => name.padStart(9)).join('')}`,
    row('open (client side)', openMs),
    ...Object.entries(stagesMs).map(([stage, values]) => row(`  ${stage}`, values)),
  ].join('\n')
}

function verdict(report: DemoReport): boolean {
  const { opened, failed, doubles, leaked, apiWritesPerSession } = report
  say(
    `${opened} opened, ${failed} failed, ${doubles} pods given twice, ${leaked} left behind; ` +
      `${apiWritesPerSession.toFixed(1)} writes to the API server a session, refill included`,
  )
  const memory = Object.entries(report.rssMb).map(([name, megabytes]) => `${name} ${megabytes} MB`)
  say(`memory: ${memory.join(', ')}`)
  return failed === 0 && doubles === 0 && leaked === 0
}

const bed = await startBed({
  pools: poolsDocument({ min, max: 3 * min }),
  paced: true,
  say,
  ...callersEnvironment(say),
})
let fine = false
try {
  say(`the dashboard, as long as the demo runs: ${bed.apiUrls[0]}/dashboard, API key ${bed.apiKey}`)
  const report = await tell(bed)
  fine = verdict(report)
  if (flags.report !== '') await writeFile(flags.report, `${JSON.stringify(report, null, 2)}\n`)
  say(`to go on: npm run dev keeps this running, and tells you the addresses of its dashboard and of /docs`)
} finally {
  await bed.stop()
}
process.exitCode = fine ? 0 : 1

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { root } from '../../bed/repository.ts'
import type { Bench } from './bench.ts'
import { createLatencyRecorder } from './latency-recorder.ts'
import type { Measured } from './load-loop.ts'

/** How long a person waits for the program to say something, by turns with the least that Node can do. */

const cases: Readonly<Record<string, readonly string[]>> = {
  'node -e 0': ['-e', '0'],
  'greenroom --help': ['src/cli/greenroom.ts', '--help'],
  'greenroom version': ['src/cli/greenroom.ts', 'version'],
  'greenroom pools --help': ['src/cli/greenroom.ts', 'pools', '--help'],
}

async function startOnce(args: readonly string[]): Promise<Measured> {
  const begun = performance.now()
  const child = spawn('/usr/bin/env', ['-u', 'NODE_OPTIONS', process.execPath, ...args], {
    cwd: root,
    stdio: 'ignore',
  })
  const [code] = (await once(child, 'close')) as [number]
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}`)
  const durationMs = performance.now() - begun
  return { latenciesUs: [durationMs * 1_000], errors: 0, durationMs }
}

export const bench: Bench = {
  summary: 'how soon the command line answers, beside `node -e 0`',
  options: { rounds: { type: 'string', default: '40' } },
  async run({ rounds }, say) {
    const timed = Object.entries(cases).map(([name, args]) => ({
      name,
      args,
      recorder: createLatencyRecorder(),
    }))
    for (const { args } of timed) await startOnce(args)
    for (let round = 0; round < Number(rounds); round += 1)
      for (const { args, recorder } of timed) recorder.take(await startOnce(args))
    say('each row was measured by turns with the others')
    return { rows: timed.map(({ name, recorder }) => recorder.row(name, 1)) }
  },
}

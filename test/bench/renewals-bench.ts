import type { Bench } from './bench.ts'
import { type BenchRow, createLatencyRecorder } from './latency-recorder.ts'
import { startTurnsBed } from './open-turns.ts'

/** Renewals beside the opens of the same run, each session renewed in turn. */
export const bench: Bench = {
  summary:
    'renewals of all sessions of a pool, and the opens that made them; the goal is three times their rate',
  options: {
    pool: { type: 'string', default: '500' },
    rounds: { type: 'string', default: '6' },
    concurrency: { type: 'string', default: '64' },
    'warm-up-rounds': { type: 'string', default: '3' },
  },
  async run(options, say) {
    const count = Number(options.pool)
    const rounds = Number(options.rounds)
    const { bed, load, freshStock } = await startTurnsBed(count, say)
    try {
      await bed.startApi()
      const rows: BenchRow[] = []
      const ratios: Record<string, number> = {}
      for (const concurrency of String(options.concurrency).split(',').map(Number)) {
        const recorders = { open: createLatencyRecorder(), renew: createLatencyRecorder() }
        const loop = { kind: 'closed', concurrency } as const
        for (let round = -Number(options['warm-up-rounds']); round < rounds; round += 1) {
          await freshStock()
          const opened = await load.call('run', { target: bed.target, loop, count, warmUp: 0 })
          const paths = opened.locations.map((path) => `${path}/renew`)
          const target = { ...bed.target, body: JSON.stringify({ epoch: 1 }), wanted: 200 }
          const renewed = await load.call('run', { target, loop, count: 4 * count, warmUp: 0, paths })
          if (round < 0) continue
          recorders.open.take(opened)
          recorders.renew.take(renewed)
        }
        const open = recorders.open.row(`open, c=${concurrency}`, concurrency)
        const renew = recorders.renew.row(`renew, c=${concurrency}`, concurrency)
        rows.push(open, renew)
        ratios[`c=${concurrency}`] = Math.round((renew.perSecond / open.perSecond) * 100) / 100
        say(`c=${concurrency}: ${renew.perSecond} renewals/s beside ${open.perSecond} opens/s`)
      }
      return { rows, ratios }
    } finally {
      await bed.stop()
    }
  },
}

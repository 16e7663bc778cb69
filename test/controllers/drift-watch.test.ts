import { pino } from 'pino'
import t from 'tap'
import { createDriftWatch } from '../../src/controllers/drift-watch.ts'
import { createMetrics } from '../../src/metrics.ts'
import { inForce, samplePod } from '../admission/pod-samples.ts'

function bed(pages: () => readonly (readonly unknown[])[]) {
  const metrics = createMetrics()
  const pauses: number[] = []
  const stopping = new AbortController()
  let clock = 0
  const watch = createDriftWatch({
    namespace: 'ai-agents',
    async *pods() {
      for (const page of pages()) {
        clock += 1_000
        yield page
      }
    },
    context: () => inForce,
    metrics,
    logger: pino({ level: 'silent' }),
    now: () => clock,
    async pause(ms) {
      pauses.push(ms)
      if (pauses.length === 2) stopping.abort()
    },
  })
  const gauge = async () =>
    Object.fromEntries(
      (await metrics.admissionDrift.get()).values.map(({ labels, value }) => [labels.decision, value]),
    )
  return { watch, gauge, pauses, metrics, signal: stopping.signal }
}

void t.test('counts what would be changed and what would be denied, over all pages', async (t) => {
  const { watch, gauge } = bed(() => [
    Array.from({ length: 40 }, () => samplePod()),
    [samplePod({ spec: { hostNetwork: true } })],
  ])
  await watch.look()
  t.same(await gauge(), { change: 40, deny: 1 })
})

void t.test(
  'looks take a hundredth of the time, and no more than one in 30 s; a failed one is counted',
  async (t) => {
    let looks = 0
    const { watch, gauge, pauses, metrics, signal } = bed(() => {
      looks += 1
      if (looks === 2) throw new Error('away')
      return [[samplePod()]]
    })
    await watch.run(signal)
    t.same(pauses, [100_000, 30_000])
    t.same(await gauge(), {}, 'who does not lead says nothing')
    t.equal((await metrics.loopErrors.get()).values[0]?.value, 1)
  },
)

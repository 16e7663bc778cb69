import type { Metrics, OpenStage } from '../metrics.ts'
import { traced } from '../tracing/spans.ts'
import type { OpenProgress } from './open-progress.ts'

/** Times the steps of opens, for the metric, for the Server-Timing header of the answer and for the trace. */
export function createOpenStages(metrics: Pick<Metrics, 'openStageSeconds'>, now: () => number) {
  function note({ stagesMs }: OpenProgress, stage: OpenStage, ms: number): void {
    stagesMs[stage] = (stagesMs[stage] ?? 0) + ms
    metrics.openStageSeconds.observe({ stage }, ms / 1_000)
  }
  async function timed<T>(progress: OpenProgress, stage: OpenStage, work: () => Promise<T>): Promise<T> {
    const begun = now()
    try {
      return await traced(stage, work)
    } finally {
      note(progress, stage, now() - begun)
    }
  }
  return { note, timed }
}

import type { PodView, PodWriter } from '../domain/cluster-ports.ts'
import { withoutSecrets } from '../domain/plain-message.ts'
import type { SlotView } from '../domain/pool-observation.ts'
import { allDone } from './all-done.ts'
import type { RecentWrites } from './recent-writes.ts'

interface FailedPodsDeps {
  readonly pods: Pick<PodView, 'get'>
  readonly writer: Pick<PodWriter, 'labelFailed'>
  readonly recentWrites: RecentWrites
}

/** Long enough for a sentence of the kubelet; `kubectl describe` shows it in one line. */
const longestWords = 400

/**
 * Marks pods that are kept for a look, once each: label `greenroom.dev/state=failed` for `kubectl get pods -l`, and why in
 * an annotation. They are retired, so the label decides nothing.
 */
export function createFailedPods({ pods, writer, recentWrites }: FailedPodsDeps) {
  async function mark({ podUid, trouble, deadReason }: SlotView): Promise<void> {
    const pod = pods.get(podUid)
    if (!pod || pod.stateLabel === 'failed') return
    const words = withoutSecrets(`${trouble?.cause ?? 'crash'}: ${trouble?.message ?? deadReason ?? 'ended'}`)
    await recentWrites.once(`failed ${podUid}`, () => writer.labelFailed(pod, words.slice(0, longestWords)))
  }

  return {
    mark: (slots: readonly SlotView[], kept: ReadonlySet<string>): Promise<void> =>
      allDone(slots.filter(({ podUid, claim }) => claim !== undefined && kept.has(podUid)).map(mark)),
  }
}

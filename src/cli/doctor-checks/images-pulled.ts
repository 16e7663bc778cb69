import type { V1ContainerStatus, V1Pod } from '@kubernetes/client-node'
import { livePods } from '../../cluster/live-pods.ts'
import { type DoctorCheck, failed, ok, skipped } from './doctor-check.ts'

const pullReasons: readonly string[] = [
  'ImagePullBackOff',
  'ErrImagePull',
  'InvalidImageName',
  'ErrImageNeverPull',
]
const mostNamed = 3

export const imagesPulled: DoctorCheck<'kubernetes'> = {
  name: 'images-pulled',
  title: 'No pod waits for an image that cannot be pulled',
  when: 'after',
  part: 'kubernetes',
  why: 'A pool whose image cannot be pulled stays empty. Whether it can be pulled only a node knows, by trying.',
  fix: 'kubectl -n ai-agents get events --field-selector reason=Failed --sort-by=.lastTimestamp',
  async run({ transport }, { config }) {
    const started = new Set<string>()
    const broken = new Map<string, string>()
    for await (const page of livePods(transport, config.GREENROOM_NAMESPACE))
      for (const { image, state } of (page as readonly V1Pod[]).flatMap(containersOf)) {
        if (state?.running ?? state?.terminated) started.add(image)
        const reason = state?.waiting?.reason ?? ''
        if (pullReasons.includes(reason)) broken.set(image, reason)
      }
    if (broken.size > 0) {
      const named = [...broken].slice(0, mostNamed).map(([image, reason]) => `${image} (${reason})`)
      return failed(`${broken.size} images are not pulled: ${named.join(', ')}.`)
    }
    if (started.size === 0) return skipped('No pod has started yet, so no image was pulled.')
    return ok(`${started.size} images run.`)
  },
}

function containersOf({ status }: V1Pod): readonly V1ContainerStatus[] {
  return [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])]
}

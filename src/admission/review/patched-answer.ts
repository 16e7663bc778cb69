import { annotation } from '../../domain/names.ts'
import { changesOf, describeChange, rulesOf } from '../mutate/change-rules.ts'
import { podEdits } from '../mutate/pod-edits.ts'
import { patchOf } from '../mutate/pod-patch.ts'
import type { Pod } from '../pod/pod.ts'
import type { AdmissionRequest, Answer, Patched } from './admission-review.ts'

/** The answer that turns one pod into the other and names the rules; on request it says what changes and why. */
export function patchedAnswer(
  request: AdmissionRequest,
  pod: Pod,
  mutated: Pod,
): Patched & Pick<Answer, 'warnings'> {
  const edits = podEdits(pod, mutated)
  return {
    kind: 'patched',
    patch: patchOf(edits),
    rules: rulesOf(edits),
    ...(asksWhy(request, pod) && { warnings: changesOf(edits).map(describeChange) }),
  }
}

/** Whoever only tries wants to know; others are not told of 30 changes for each pod. */
function asksWhy({ dryRun }: AdmissionRequest, { metadata }: Pod): boolean {
  return dryRun === true || metadata?.annotations?.[annotation.explain] === 'true'
}

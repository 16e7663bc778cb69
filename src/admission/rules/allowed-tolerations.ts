import type { Pod } from '../pod/pod.ts'
import { shown } from '../pod/violation.ts'
import type { PolicyToleration } from '../policy/scheduling-settings.ts'
import { type Finding, finding, type GreenroomRule, podsOfRows } from './greenroom-rule.ts'
import { type Normalized, normalized } from './tolerations.ts'

/** Rule tolerations adds the row's own. This one bounds what the author adds. */
export const allowedTolerations: GreenroomRule = {
  rule: 'allowed-tolerations',
  title: 'Tolerations of the author',
  fields: ['spec.tolerations[*]'],
  allowed:
    "the row's `tolerations` and `allowedTolerations`, or less than these, and those that Kubernetes adds: `not-ready` and `unreachable` (NoExecute), " +
    "`memory-pressure`, and one for each device in the row's `resources`",
  appliesTo: podsOfRows,
  mode: 'settable',
  mutated: 'no',
  why: 'A pod that tolerates every taint runs on control planes and on nodes that are kept for others.',
  fix: "Leave it out, or name it in the row's allowedTolerations.",
  judge({ pod, row }) {
    if (!row) return []
    const devices = row.resources.map(({ name }) => name).filter((name) => name.includes('/'))
    return foreignTolerations(pod, [...row.tolerations, ...row.allowedTolerations], devices.map(forDevice))
  },
}

/** `added` are those that a plugin adds to this pod, besides the ones of every pod. */
export function foreignTolerations(
  { spec }: Pod,
  allowed: readonly PolicyToleration[],
  added: readonly PolicyToleration[] = [],
): Finding[] {
  const found: Finding[] = []
  for (const [index, given] of spec.tolerations?.entries() ?? []) {
    const asked = normalized(given)
    const isCovered =
      addedByKubernetes.some((one) => covers(one, asked)) ||
      added.some((one) => covers(normalized(one), asked)) ||
      allowed.some((one) => covers(normalized(one), asked))
    if (isCovered) continue
    found.push(
      finding(`spec.tolerations[${index}]`, given, allowed.length > 0 ? shown(allowed) : 'none of its own'),
    )
  }
  return found
}

/** By the plugins DefaultTolerationSeconds, for as long as the cluster says, and PodTolerationRestriction. */
const addedByKubernetes = [
  { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/memory-pressure', operator: 'Exists', effect: 'NoSchedule' },
].map(normalized)

/** By the plugin ExtendedResourceToleration. */
function forDevice(name: string): PolicyToleration {
  return { key: name, operator: 'Exists', effect: 'NoSchedule' }
}

/** True if `asked` tolerates no more than `most` does. */
function covers(most: Normalized, asked: Normalized): boolean {
  const isKeyCovered = most.key === '' || most.key === asked.key
  const isValueCovered =
    most.operator === 'Exists' || (asked.operator === most.operator && asked.value === most.value)
  const isEffectCovered = most.effect === '' || most.effect === asked.effect
  const isTimeCovered =
    most.tolerationSeconds === undefined ||
    (asked.tolerationSeconds !== undefined && asked.tolerationSeconds <= most.tolerationSeconds)
  return isKeyCovered && isValueCovered && isEffectCovered && isTimeCovered
}

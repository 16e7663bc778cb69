import { type Rule, type Violation, violationOf } from '../pod/violation.ts'
import { hostPath } from './host-path.ts'
import type { BarePod, PodSecurityCheck } from './pod-security-check.ts'

/** The kinds that Pod Security Standard restricted allows, in every version; a policy may narrow them. */
export const restrictedVolumeKinds = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'image',
  'persistentVolumeClaim',
  'projected',
  'secret',
] as const

export const volumeKinds: PodSecurityCheck = {
  rule: 'volume-kinds',
  title: 'Volume kinds',
  standard: 'restricted',
  reference: 'check_restrictedVolumes.go',
  fields: ['spec.volumes[*]'],
  fix: 'Use a volume of one of these kinds; the file system of the node is never one.',
  mutated: 'no',
  overrides: hostPath,
  versions: [{ since: 0, allowed: restrictedVolumeKinds.join(', '), judge: otherVolumes }],
}

/**
 * One of the kinds above must be there; an unknown kind is refused like a known bad one. A volume of no kind
 * passes: the API makes it an emptyDir before it is judged.
 */
function otherVolumes({ pod }: BarePod, rule: Rule): Violation[] {
  const violations: Violation[] = []
  pod.spec.volumes?.forEach((volume: Readonly<Record<string, unknown>>, index) => {
    if (restrictedVolumeKinds.some((kind) => (volume[kind] ?? null) !== null)) return
    const kind = Object.keys(volume).find((key) => key !== 'name' && volume[key] !== null)
    if (kind === undefined) return
    violations.push({ ...violationOf(rule, `spec.volumes[${index}].${kind}`, undefined), found: 'set' })
  })
  return violations
}

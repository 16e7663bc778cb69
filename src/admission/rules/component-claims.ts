import { claimsOfComponents } from '../policy/component-relations.ts'
import { everyPodButComponents, type Finding, finding, type GreenroomRule } from './greenroom-rule.ts'

export const componentClaims: GreenroomRule = {
  rule: 'component-claims',
  title: "The volumes of Greenroom's own pods",
  fields: ['metadata.name', 'spec.volumes[*].{persistentVolumeClaim.claimName,ephemeral}'],
  allowed:
    'no PersistentVolumeClaim that a row in `components` names, also none that the pod would make by that name',
  appliesTo: everyPodButComponents,
  mode: 'always',
  mutated: 'no',
  why: 'Who mounts the volume of the database reads and changes every session.',
  fix: 'Leave the volume out; make a claim of your own.',
  guardsGreenroom: true,
  judge({ pod, policy }) {
    const reserved = claimsOfComponents(policy)
    if (reserved.size === 0) return []
    return (pod.spec.volumes ?? []).flatMap(
      ({ name, persistentVolumeClaim, ephemeral }, index): Finding[] => {
        // Kubernetes names the claim of an ephemeral volume after pod and volume.
        const made = ephemeral === undefined ? undefined : `${pod.metadata?.name ?? ''}-${name}`
        const claim = persistentVolumeClaim?.claimName ?? made
        return claim !== undefined && reserved.has(claim)
          ? [finding(`spec.volumes[${index}]`, claim, "none of Greenroom's own components")]
          : []
      },
    )
  },
}

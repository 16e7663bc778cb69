import { restrictedVolumeKinds } from '../standards/volume-kinds.ts'
import { finding, type GreenroomRule, podsOfRows } from './greenroom-rule.ts'

export const allowedVolumes: GreenroomRule = {
  rule: 'allowed-volumes',
  title: 'Kinds of volumes',
  fields: [`spec.volumes[*].{${restrictedVolumeKinds.join(',')}}`],
  allowed: "the kinds in the row's `volumeKinds`, which may be fewer than the restricted standard has",
  appliesTo: podsOfRows,
  mode: 'settable',
  mutated: 'no',
  why: 'A pod gets only the kinds of volumes that its agent type needs.',
  fix: "Use a volume of one of these kinds, or add the kind to the row's volumeKinds.",
  judge({ pod, row }) {
    if (!row) return []
    const allowed = row.volumeKinds.join(', ')
    const refused = restrictedVolumeKinds.filter((kind) => !row.volumeKinds.includes(kind))
    if (refused.length === 0) return []
    return (pod.spec.volumes ?? []).flatMap((volume, index) => {
      const kind = refused.find((name) => name in volume)
      return kind ? [finding(`spec.volumes[${index}]`, kind, allowed)] : []
    })
  },
}

import { annotation } from '../../domain/names.ts'
import { type GreenroomRule, shapedPods } from './greenroom-rule.ts'
import { writtenAnnotations } from './written-annotations.ts'

/** Only writes. Rule label-ownership refuses other writers. */
export const policyDigest: GreenroomRule = {
  rule: 'policy-digest',
  title: 'Digest of the row',
  fields: [`metadata.annotations[${annotation.policyDigest}]`],
  allowed: 'on pods of an agent type: the digest of what its row imposed',
  appliesTo: shapedPods,
  mode: 'always',
  mutated: 'yes',
  why: 'Notes by which row the pod was shaped, so that a changed row replaces idle pods.',
  fix: '',
  mutate(draft, context) {
    const value = writtenAnnotations(context.podClass, context)[annotation.policyDigest]
    if (value !== undefined) draft.annotate(annotation.policyDigest, value)
  },
}

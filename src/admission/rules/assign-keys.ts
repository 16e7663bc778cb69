import { annotation } from '../../domain/names.ts'
import { type GreenroomRule, shapedPods } from './greenroom-rule.ts'
import { writtenAnnotations } from './written-annotations.ts'

/** Only writes. Rule label-ownership refuses other writers. */
export const assignKeys: GreenroomRule = {
  rule: 'assign-keys',
  title: 'Keys that the agent was given',
  fields: [`metadata.annotations[${annotation.assignKeyIds}]`],
  allowed: 'on pods of an agent type: the ids of the public keys in `GREENROOM_ASSIGN_KEYS`',
  appliesTo: shapedPods,
  mode: 'always',
  mutated: 'yes',
  why: 'Notes which public keys the agent was given.',
  fix: '',
  mutate(draft, context) {
    const value = writtenAnnotations(context.podClass, context)[annotation.assignKeyIds]
    if (value !== undefined) draft.annotate(annotation.assignKeyIds, value)
  },
}

import { annotation } from '../../domain/names.ts'
import { type GreenroomRule, shapedPods } from './greenroom-rule.ts'
import { writtenAnnotations } from './written-annotations.ts'

/** Only writes. Rule label-ownership refuses other writers. */
export const policyVersion: GreenroomRule = {
  rule: 'policy-version',
  title: 'Version of the policy',
  fields: [`metadata.annotations[${annotation.policyVersion}]`],
  allowed: 'the version that shaped the pod',
  appliesTo: shapedPods,
  mode: 'always',
  mutated: 'yes',
  why: 'Notes which version of the policy shaped the pod.',
  fix: '',
  mutate: (draft, context) =>
    draft.annotate(
      annotation.policyVersion,
      writtenAnnotations(context.podClass, context)[annotation.policyVersion] ?? '',
    ),
}

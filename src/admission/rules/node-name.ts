import type { AdmissionContext } from './admission-context.ts'
import { everyPodButComponents, type Finding, finding, type GreenroomRule } from './greenroom-rule.ts'

/** A pod that runs has the name of its node: the scheduler binds it. */
export const nodeName: GreenroomRule = {
  rule: 'node-name',
  title: 'Node',
  fields: ['spec.nodeName'],
  allowed: 'unset on a new pod; the scheduler binds it',
  appliesTo: everyPodButComponents,
  mode: 'settable',
  mutated: 'no',
  why: 'A pod that names its node passes the scheduler by: taints, affinity, spread and room on the node count for nothing.',
  fix: 'Leave it out; choose nodes by affinity.',
  judge: boundByAuthor,
}

export function boundByAuthor({ pod, isNew }: AdmissionContext): Finding[] {
  const { nodeName: name = '' } = pod.spec
  return isNew && name !== '' ? [finding('spec.nodeName', name, 'unset')] : []
}

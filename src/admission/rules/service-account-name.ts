import { finding, type GreenroomRule, shapedPods } from './greenroom-rule.ts'

export const serviceAccountName: GreenroomRule = {
  rule: 'service-account-name',
  title: 'ServiceAccount',
  fields: ['spec.serviceAccountName', 'spec.serviceAccount'],
  allowed: "the row's `serviceAccountName`, where it names one; the older field of the same meaning follows",
  appliesTo: shapedPods,
  mode: 'always',
  mutated: 'yes',
  why: 'The row of the agent type names the ServiceAccount.',
  fix: 'Leave it out; the webhook sets it.',
  judge({ pod, row }) {
    const wanted = row?.serviceAccountName
    const found = pod.spec.serviceAccountName
    return wanted === undefined || found === wanted ? [] : [finding('spec.serviceAccountName', found, wanted)]
  },
  mutate(draft, { row }) {
    const wanted = row?.serviceAccountName
    if (wanted === undefined) return
    draft.assign(draft.spec, { serviceAccountName: wanted })
    if (draft.spec.serviceAccount !== undefined) draft.assign(draft.spec, { serviceAccount: wanted })
  },
}

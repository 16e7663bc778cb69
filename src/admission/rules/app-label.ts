import { label } from '../../domain/names.ts'
import { finding, type GreenroomRule, shapedPods } from './greenroom-rule.ts'

/** The label is added and never changed: with another one a ReplicaSet lets go of its pod and makes the next. */
export const appLabel: GreenroomRule = {
  rule: 'app-label',
  title: 'Label app',
  fields: [`metadata.labels[${label.app}]`],
  allowed: "the row's `appLabel`, else the default one; anything for row `default`",
  appliesTo: shapedPods,
  mode: 'settable',
  mutated: 'where absent',
  why: 'People and selectors of their own find agents by this label, so a pod without one gets that of its row.',
  fix: 'Use this value in the template and its selector, or set appLabel in the row.',
  judge({ pod, row }) {
    const wanted = row?.appLabel
    const found = pod.metadata?.labels?.[label.app]
    if (wanted === undefined || found === wanted) return []
    return [finding(`metadata.labels[${label.app}]`, found, wanted)]
  },
  mutate(draft, { row }) {
    const { labels } = draft.metadata
    if (row?.appLabel === undefined || labels?.[label.app] !== undefined) return
    draft.assign(draft.metadata, { labels: { [label.app]: row.appLabel, ...labels } })
  },
}

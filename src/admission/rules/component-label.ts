import { label } from '../../domain/names.ts'
import { componentName } from '../policy/policy-component.ts'
import { finding, type GreenroomRule } from './greenroom-rule.ts'

const path = `metadata.labels[${label.component}]`

/** Who a component is. label-ownership refuses the label on every other pod. */
export const componentLabel: GreenroomRule = {
  rule: 'component-label',
  title: "The name of Greenroom's own pods",
  fields: [path],
  allowed: "the `name` of the component's row, else its ServiceAccount",
  appliesTo: ['component'],
  mode: 'always',
  mutated: 'where absent',
  why: 'Services and network policies give traffic and access by this label, so only admission gives it.',
  fix: 'Leave it out; the webhook sets it. Or use the name that the row in components has.',
  guardsGreenroom: true,
  judge({ pod, podClass }) {
    if (podClass.kind !== 'component') return []
    const wanted = componentName(podClass.component)
    const found = pod.metadata?.labels?.[label.component]
    return found === wanted ? [] : [finding(path, found, wanted)]
  },
  mutate(draft, { podClass }) {
    const { labels } = draft.metadata
    if (podClass.kind !== 'component' || labels?.[label.component] !== undefined) return
    const given = { [label.component]: componentName(podClass.component) }
    draft.assign(draft.metadata, { labels: { ...labels, ...given } })
  },
}

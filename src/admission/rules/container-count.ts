import { finding, type GreenroomRule, podsOfRows } from './greenroom-rule.ts'

export const containerCount: GreenroomRule = {
  rule: 'container-count',
  title: 'Number of containers',
  fields: ['spec.{containers,initContainers}'],
  allowed: "containers and init containers together at most the row's `maxContainers`",
  appliesTo: podsOfRows,
  mode: 'settable',
  mutated: 'no',
  why: 'Each container gets the resources of its row, so their number bounds what a pod takes.',
  fix: "Use fewer, or raise the row's maxContainers.",
  judge({ pod, row }) {
    const count = pod.spec.containers.length + (pod.spec.initContainers ?? []).length
    if (!row || count <= row.maxContainers) return []
    return [finding('spec.containers', `${count} containers`, `at most ${row.maxContainers}`)]
  },
}

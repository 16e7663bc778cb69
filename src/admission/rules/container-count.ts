import { startedContainers } from './field-path.ts'
import { finding, type GreenroomRule, podsOfRows } from './greenroom-rule.ts'

export const containerCount: GreenroomRule = {
  rule: 'container-count',
  title: 'Number of containers',
  fields: [startedContainers],
  allowed: "containers and init containers together at most the row's `maxContainers`",
  appliesTo: podsOfRows,
  mode: 'settable',
  mutated: 'no',
  why: 'Each container gets the resources of its row, so their number bounds what a pod takes.',
  fix: "Use fewer, or raise the row's maxContainers.",
  judge({ containers, row }) {
    const count = containers.filter(({ kind }) => kind !== 'ephemeral').length
    if (!row || count <= row.maxContainers) return []
    return [finding('spec.containers', `${count} containers`, `at most ${row.maxContainers}`)]
  },
}

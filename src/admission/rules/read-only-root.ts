import { startedContainers } from './field-path.ts'
import { finding, type GreenroomRule, shapedPods } from './greenroom-rule.ts'

export const readOnlyRoot: GreenroomRule = {
  rule: 'read-only-root',
  title: 'Read-only root',
  fields: [`${startedContainers}.securityContext.readOnlyRootFilesystem`],
  allowed: 'true',
  appliesTo: shapedPods,
  mode: 'settable',
  mutated: 'yes',
  why: 'A program that is taken over cannot change itself: an agent writes only to the volumes made for that.',
  fix: 'Leave it out; the webhook sets it. What must be writable goes into writablePaths of the row.',
  judge: ({ containers }) =>
    containers.flatMap(({ container, kind, path }) => {
      if (kind === 'ephemeral') return []
      const found = container.securityContext?.readOnlyRootFilesystem
      return found === true ? [] : [finding(`${path}.securityContext.readOnlyRootFilesystem`, found, 'true')]
    }),
  mutate(draft) {
    for (const { security } of draft.containers) draft.assign(security, { readOnlyRootFilesystem: true })
  },
}

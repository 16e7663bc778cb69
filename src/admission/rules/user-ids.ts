import type { SecurityContext } from '../pod/pod.ts'
import { everyContainer, startedContainers } from './field-path.ts'
import { type Finding, finding, type GreenroomRule, shapedPods } from './greenroom-rule.ts'

type Id = 'runAsUser' | 'runAsGroup' | 'fsGroup'

export const userIds: GreenroomRule = {
  rule: 'user-ids',
  title: 'User and group',
  fields: [
    'spec.securityContext.{runAsUser,runAsGroup,fsGroup}',
    `${everyContainer}.securityContext.runAsUser`,
    `${startedContainers}.securityContext.runAsGroup`,
  ],
  allowed:
    "the row's `securityContext`; a container's `runAsGroup` may be unset. Debug containers may be any user but root",
  appliesTo: shapedPods,
  mode: 'settable',
  mutated: 'yes',
  why: 'Agents run as the user and group that the policy gives them.',
  fix: 'Leave it out; the webhook sets it.',
  judge({ pod, containers, row }) {
    if (!row) return []
    const wanted = row.securityContext
    const compare = (found: SecurityContext | undefined, field: Id, path: string): Finding[] =>
      found?.[field] === wanted[field]
        ? []
        : [finding(`${path}.securityContext.${field}`, found?.[field], `${wanted[field]}`)]
    const onPod = pod.spec.securityContext
    return [
      ...(['runAsUser', 'runAsGroup', 'fsGroup'] as const).flatMap((field) => compare(onPod, field, 'spec')),
      ...containers.flatMap(({ container, kind, path }) => {
        if (kind === 'ephemeral') return []
        const found = container.securityContext
        const user = compare(found, 'runAsUser', path)
        return found?.runAsGroup === undefined ? user : [...user, ...compare(found, 'runAsGroup', path)]
      }),
    ]
  },
  mutate(draft, { row }) {
    if (!row) return
    const { runAsUser, runAsGroup } = row.securityContext
    draft.assign(draft.security, row.securityContext)
    for (const { security } of draft.containers) {
      // A group of the container's own would go before the pod's; without one there is nothing to change.
      draft.assign(security, { runAsUser, ...(security.runAsGroup !== undefined && { runAsGroup }) })
    }
  },
  /** Pod Security never allows root. */
  mutateAnyway(draft, { row }) {
    if (!row) return
    const { runAsUser } = row.securityContext
    for (const security of [draft.security, ...draft.containers.map((found) => found.security)]) {
      if (security.runAsUser === 0) draft.assign(security, { runAsUser })
    }
  },
  mutateDebug(draft, { row }) {
    for (const { security } of draft.containers) {
      if (row && !security.runAsUser) draft.assign(security, { runAsUser: row.securityContext.runAsUser })
    }
  },
}

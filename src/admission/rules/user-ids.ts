import type { SecurityContext } from '../pod/pod.ts'
import { isEnforced } from '../policy/modes.ts'
import type { PolicyDocument } from '../policy/policy-document.ts'
import type { Draft, DraftContainer } from './draft.ts'
import { everyContainer, startedContainers } from './field-path.ts'
import { type Finding, finding, type GreenroomRule, shapedPods } from './greenroom-rule.ts'
import { rootInitContainers } from './root-init-containers.ts'

type Imposed = 'runAsUser' | 'runAsGroup' | 'fsGroup' | 'supplementalGroupsPolicy'
const ofPod = ['runAsUser', 'runAsGroup', 'fsGroup', 'supplementalGroupsPolicy'] as const

export const userIds: GreenroomRule = {
  rule: 'user-ids',
  title: 'User and group',
  fields: [
    'spec.securityContext.{runAsUser,runAsGroup,fsGroup,supplementalGroups,supplementalGroupsPolicy}',
    `${everyContainer}.securityContext.runAsUser`,
    `${startedContainers}.securityContext.runAsGroup`,
  ],
  allowed:
    "the row's `securityContext`; a container's `runAsGroup` may be unset; `supplementalGroups` only those of the row, its " +
    '`runAsGroup` and its `fsGroup`. Debug containers may be any user but root',
  appliesTo: shapedPods,
  mode: 'settable',
  mutated: 'yes',
  why: 'Agents run as the user and group that the policy gives them.',
  fix: 'Leave it out; the webhook sets it.',
  judge({ pod, containers, row }) {
    if (!row) return []
    const wanted = row.securityContext
    const compare = (found: SecurityContext | undefined, field: Imposed, path: string): Finding[] =>
      wanted[field] === undefined || found?.[field] === wanted[field]
        ? []
        : [finding(`${path}.securityContext.${field}`, found?.[field], `${wanted[field]}`)]
    const onPod = pod.spec.securityContext
    return [
      ...ofPod.flatMap((field) => compare(onPod, field, 'spec')),
      ...foreignGroups(onPod, row.allowedGroups),
      ...containers.flatMap(({ container, kind, path }) => {
        if (kind === 'ephemeral') return []
        const found = container.securityContext
        const user = compare(found, 'runAsUser', path)
        return found?.runAsGroup === undefined ? user : [...user, ...compare(found, 'runAsGroup', path)]
      }),
    ]
  },
  mutate(draft, { row, policy }) {
    if (!row) return
    const { runAsUser, runAsGroup } = row.securityContext
    draft.assign(draft.security, row.securityContext)
    removeForeignGroups(draft, row.allowedGroups)
    for (const container of draft.containers) {
      const { security } = container
      // A group of the container's own would go before the pod's; without one there is nothing to change.
      if (security.runAsGroup !== undefined) draft.assign(security, { runAsGroup })
      if (!isRefused(container, policy)) draft.assign(security, { runAsUser })
    }
  },
  /** Pod Security never allows root. */
  mutateAnyway(draft, { row, policy }) {
    if (!row) return
    const { runAsUser } = row.securityContext
    const containers = draft.containers.filter((container) => !isRefused(container, policy))
    for (const security of [draft.security, ...containers.map((found) => found.security)]) {
      if (security.runAsUser === 0) draft.assign(security, { runAsUser })
    }
  },
  mutateDebug(draft, { row }) {
    for (const { security } of draft.containers) {
      if (row && !security.runAsUser) draft.assign(security, { runAsUser: row.securityContext.runAsUser })
    }
  },
}

/** An init container that asks for root keeps its user, so that its own rule refuses it with its reason. */
function isRefused({ kind, security }: DraftContainer, policy: PolicyDocument): boolean {
  return kind === 'init' && security.runAsUser === 0 && isEnforced(rootInitContainers.rule, policy)
}

function foreignGroups(found: SecurityContext | undefined, allowed: readonly number[]): Finding[] {
  const { supplementalGroups: groups = [] } = found ?? {}
  if (groups.every((group) => allowed.includes(group))) return []
  return [finding('spec.securityContext.supplementalGroups', groups, allowed.join(', '))]
}

function removeForeignGroups(draft: Draft, allowed: readonly number[]): void {
  const { supplementalGroups: groups = [] } = draft.security
  const kept = groups.filter((group) => allowed.includes(group))
  if (kept.length === groups.length) return
  if (kept.length > 0) draft.assign(draft.security, { supplementalGroups: kept })
  else draft.remove(draft.security, 'supplementalGroups')
}

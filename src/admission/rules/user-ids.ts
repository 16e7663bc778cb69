import type { SecurityContext } from '../pod/pod.ts'
import { type Violation, violationOf } from '../pod/violation.ts'
import type { Check } from './judged-pod.ts'

type Id = 'runAsUser' | 'runAsGroup' | 'fsGroup'

/**
 * User and groups are the table's.
 * Fields: `runAsUser`, `runAsGroup`, `fsGroup` of the pod's securityContext; `runAsUser` of every container and init
 * container, and `runAsGroup` where one is set. Allowed: the row's `securityContext`.
 */
export const checkUserIds: Check = ({ pod, containers, row }) => {
  if (!row) return []
  const wanted = row.securityContext
  const compare = (found: SecurityContext | undefined, field: Id, path: string): Violation[] => {
    if (found?.[field] === wanted[field]) return []
    const rule = { rule: 'user-ids', allowed: `${wanted[field]}`, fix: 'Leave it out; the webhook sets it.' }
    return [violationOf(rule, `${path}.securityContext.${field}`, found?.[field])]
  }
  const onPod = pod.spec.securityContext
  return [
    ...(['runAsUser', 'runAsGroup', 'fsGroup'] as const).flatMap((field) => compare(onPod, field, 'spec')),
    ...containers.flatMap(({ container: { securityContext }, kind, path }) => {
      if (kind === 'ephemeral') return []
      const user = compare(securityContext, 'runAsUser', path)
      if (securityContext?.runAsGroup === undefined) return user
      return [...user, ...compare(securityContext, 'runAsGroup', path)]
    }),
  ]
}

import { label } from '../../domain/names.ts'
import { type Violation, violationOf } from '../pod/violation.ts'
import { isSessionCredential } from '../policy/session-credentials.ts'
import type { Check } from './judged-pod.ts'

const rule = {
  rule: 'pool-credentials',
  allowed: 'nothing of a session',
  fix: 'Remove it: a warm pod belongs to no session yet, and gets what it needs with the assignment.',
}

/**
 * A pod of a pool holds no session credential before it is claimed.
 * Fields: `env[*].name` and `env[*].valueFrom.secretKeyRef.key` of every container of a pod with the label
 * `greenroom.dev/pool`. Allowed: any but the names of session-credentials.ts. Values are never shown.
 */
export const checkPoolCredentials: Check = ({ pod, containers }) => {
  if (pod.metadata?.labels?.[label.pool] === undefined) return []
  return containers.flatMap(({ container, path }) =>
    (container.env ?? []).flatMap(({ name, valueFrom }, index): Violation[] => {
      if (isSessionCredential(name)) return [violationOf(rule, `${path}.env[${index}].name`, name)]
      const key = valueFrom?.secretKeyRef?.key
      return key !== undefined && isSessionCredential(key)
        ? [violationOf(rule, `${path}.env[${index}].valueFrom.secretKeyRef.key`, key)]
        : []
    }),
  )
}

import type { PolicyDocument } from '../admission/policy/policy-document.ts'
import { checkAssignKeys } from '../admission/policy/public-assign-keys.ts'
import { checkPolicy } from '../admission/rules/check-policy.ts'
import { createDocumentWatch, type DocumentWatch } from '../cluster/document-watch.ts'
import { configMapKey, configMapName } from '../domain/names.ts'
import type { WatchOptions } from './pools-watch.ts'

/** `agent-policy` and the public assign keys: what shapes a pod. The session API reads neither. */

export function watchPolicy({
  keeps,
  ...options
}: Omit<WatchOptions, 'examiner'>): DocumentWatch<PolicyDocument> {
  return createDocumentWatch({
    ...options,
    name: configMapName.policy,
    key: configMapKey.policy,
    check: checkPolicy,
    accepted: { name: configMapName.policyAccepted, write: keeps },
  })
}

export function watchAssignKeys(options: Omit<WatchOptions, 'keeps' | 'examiner'>): DocumentWatch<string> {
  return createDocumentWatch({
    ...options,
    name: configMapName.assignKeys,
    key: configMapKey.assignKeys,
    check: checkAssignKeys,
  })
}

import type { PolicyDocument } from './policy-document.ts'
import type { AssignKeys } from './public-assign-keys.ts'

/** What decides besides the object under review, read once per review: the policy and the public assign keys. */
export interface PolicyInForce {
  readonly policy: PolicyDocument
  readonly assignKeys: AssignKeys
}

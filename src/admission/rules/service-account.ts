import { violationOf } from '../pod/violation.ts'
import type { Check } from './judged-pod.ts'

const rule = {
  rule: 'service-account',
  allowed: "any but those of Greenroom's own components",
  fix: 'Use another ServiceAccount; an agent needs no rights of its own.',
}

/**
 * The identities of Greenroom's components serve nobody else: who could run a pod under one could own the labels and
 * read the key that signs assignments.
 * Fields: `spec.serviceAccountName`. Allowed: any that is neither in `components` nor, in this namespace, in
 * `greenroomServiceAccounts`.
 */
export const checkServiceAccount: Check = ({ pod, namespace, context, standing }) => {
  const name = pod.spec.serviceAccountName
  if (name === undefined || standing.kind === 'component') return []
  const { components, greenroomServiceAccounts } = context.policy
  const reserved =
    components.some((component) => component.serviceAccount === name) ||
    greenroomServiceAccounts.includes(`system:serviceaccount:${namespace}:${name}`)
  return reserved ? [violationOf(rule, 'spec.serviceAccountName', name)] : []
}

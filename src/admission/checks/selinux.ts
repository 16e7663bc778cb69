import type { Check } from '../judged-pod.ts'
import type { SecurityContext } from '../pod.ts'
import { type Violation, violationOf } from '../violation.ts'

const types = ['', 'container_t', 'container_init_t', 'container_kvm_t', 'container_engine_t']

const typeRule = {
  rule: 'selinux',
  allowed: `unset or ${types.slice(1).join(', ')}`,
  fix: 'Use one of these types.',
}
const identityRule = { rule: 'selinux', allowed: 'unset', fix: 'Remove it.' }

/**
 * Pod Security Standard, baseline: SELinux.
 * Fields: `spec.securityContext.seLinuxOptions.{type,user,role}` and the same of every container.
 * Allowed: the types of ordinary containers; no user, no role.
 */
export const checkSelinux: Check = ({ pod, containers }) => [
  ...inContext(pod.spec.securityContext, 'spec'),
  ...containers.flatMap(({ container, path }) => inContext(container.securityContext, path)),
]

function inContext(context: SecurityContext | undefined, path: string): Violation[] {
  const { type = '', user = '', role = '' } = context?.seLinuxOptions ?? {}
  const at = `${path}.securityContext.seLinuxOptions`
  return [
    ...(types.includes(type) ? [] : [violationOf(typeRule, `${at}.type`, type)]),
    ...(user === '' ? [] : [violationOf(identityRule, `${at}.user`, user)]),
    ...(role === '' ? [] : [violationOf(identityRule, `${at}.role`, role)]),
  ]
}

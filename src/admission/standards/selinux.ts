import type { SecurityContext } from '../pod/pod.ts'
import { type Rule, type Violation, violationOf } from '../pod/violation.ts'
import {
  type BarePod,
  inSecurityContexts,
  type PodSecurityCheck,
  type PodSecurityRules,
} from './pod-security-check.ts'

/** Types of ordinary containers. */
const typesSince0 = ['container_t', 'container_init_t', 'container_kvm_t']
const typesSince31 = [...typesSince0, 'container_engine_t']

export const selinux: PodSecurityCheck = {
  rule: 'selinux',
  title: 'SELinux',
  standard: 'baseline',
  reference: 'check_seLinuxOptions.go',
  fields: inSecurityContexts('seLinuxOptions.{type,user,role}'),
  fix: 'Use one of these types, and no user or role.',
  mutated: 'no',
  versions: [rulesOf(0, typesSince0), rulesOf(31, typesSince31)],
}

function rulesOf(since: number, types: readonly string[]): PodSecurityRules {
  const allowed = `type unset or ${types.join(', ')}; user and role unset`
  return { since, allowed, judge: (bare, rule) => otherOptions(bare, rule, types) }
}

function otherOptions({ pod, containers }: BarePod, rule: Rule, types: readonly string[]): Violation[] {
  const violations = inContext(pod.spec.securityContext, 'spec', rule, types)
  for (const { container, path } of containers) {
    violations.push(...inContext(container.securityContext, path, rule, types))
  }
  return violations
}

function inContext(
  context: SecurityContext | undefined,
  path: string,
  rule: Rule,
  types: readonly string[],
): Violation[] {
  const options = context?.seLinuxOptions
  if (!options) return []
  const { type = '', user = '', role = '' } = options
  const at = `${path}.securityContext.seLinuxOptions`
  return [
    ...(type === '' || types.includes(type) ? [] : [violationOf(rule, `${at}.type`, type)]),
    ...(user === '' ? [] : [violationOf(rule, `${at}.user`, user)]),
    ...(role === '' ? [] : [violationOf(rule, `${at}.role`, role)]),
  ]
}

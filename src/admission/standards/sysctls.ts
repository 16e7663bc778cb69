import { type Rule, type Violation, violationOf } from '../pod/violation.ts'
import type { BarePod, PodSecurityCheck, PodSecurityRules } from './pod-security-check.ts'

/** Those that touch nothing outside the pod. */
const safeSince0 = [
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ping_group_range',
  'net.ipv4.tcp_syncookies',
]
const safeSince27 = [...safeSince0, 'net.ipv4.ip_local_reserved_ports']
const safeSince29 = [
  ...safeSince27,
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_keepalive_time',
]
const safeSince32 = [...safeSince29, 'net.ipv4.tcp_rmem', 'net.ipv4.tcp_wmem']
const safeSince37 = [...safeSince32, 'net.ipv4.tcp_notsent_lowat', 'net.ipv4.tcp_slow_start_after_idle']

export const sysctls: PodSecurityCheck = {
  rule: 'sysctls',
  title: 'Sysctls',
  standard: 'baseline',
  reference: 'check_sysctls.go',
  fields: ['spec.securityContext.sysctls[*].name'],
  fix: 'Remove every other sysctl.',
  mutated: 'no',
  versions: [
    rulesOf(0, safeSince0),
    rulesOf(27, safeSince27),
    rulesOf(29, safeSince29),
    rulesOf(32, safeSince32),
    rulesOf(37, safeSince37),
  ],
}

function rulesOf(since: number, safe: readonly string[]): PodSecurityRules {
  return { since, allowed: safe.join(', '), judge: (bare, rule) => otherSysctls(bare, rule, safe) }
}

function otherSysctls({ pod }: BarePod, rule: Rule, safe: readonly string[]): Violation[] {
  return (pod.spec.securityContext?.sysctls ?? []).flatMap(({ name }, index) =>
    safe.includes(name) ? [] : [violationOf(rule, `spec.securityContext.sysctls[${index}].name`, name)],
  )
}

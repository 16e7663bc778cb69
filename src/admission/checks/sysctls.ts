import type { Check } from '../judged-pod.ts'
import { violationOf } from '../violation.ts'

const safe = [
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ping_group_range',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.tcp_wmem',
]

const rule = { rule: 'sysctls', allowed: safe.join(', '), fix: 'Remove every other sysctl.' }

/**
 * Pod Security Standard, baseline: sysctls.
 * Fields: `spec.securityContext.sysctls[*].name`. Allowed: those that touch nothing outside the pod.
 */
export const checkSysctls: Check = ({ pod }) =>
  (pod.spec.securityContext?.sysctls ?? []).flatMap(({ name }, index) =>
    safe.includes(name) ? [] : [violationOf(rule, `spec.securityContext.sysctls[${index}].name`, name)],
  )

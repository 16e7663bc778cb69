import type { PodSecurityCheck } from './pod-security-check.ts'
import { procMountBaseline, unmaskedProc } from './proc-mount-baseline.ts'

/** Where baseline became lenient with user namespaces, restricted stayed as it was. */
export const procMount: PodSecurityCheck = {
  rule: 'proc-mount',
  title: '/proc mount type, user namespaces included',
  standard: 'restricted',
  reference: 'check_procMount_restricted.go',
  fields: procMountBaseline.fields,
  fix: procMountBaseline.fix,
  mutated: 'no',
  overrides: procMountBaseline,
  versions: [{ since: 35, allowed: 'Default or unset', judge: unmaskedProc }],
}

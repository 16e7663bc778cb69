import { everyContainer } from '../pod/pod.ts'
import { type Rule, type Violation, violationOf } from '../pod/violation.ts'
import { type BarePod, inContainers, type PodSecurityCheck } from './pod-security-check.ts'

/** What container runtimes give by default, NET_RAW apart. */
const addable: readonly string[] = [
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
]

export const capabilitiesBaseline: PodSecurityCheck = {
  rule: 'capabilities-baseline',
  title: 'Capabilities beyond the default set',
  standard: 'baseline',
  reference: 'check_capabilities_baseline.go',
  fields: [`${everyContainer}.securityContext.capabilities.add`],
  fix: 'Remove every other added capability.',
  mutated: 'no',
  versions: [
    { since: 0, allowed: addable.join(', '), judge: (bare, rule) => addedCapabilities(bare, rule, addable) },
  ],
}

/** Capabilities added beyond `allowed`. */
export function addedCapabilities(
  { containers }: BarePod,
  rule: Rule,
  allowed: readonly string[],
): Violation[] {
  return inContainers(containers, ({ securityContext }, path) => {
    const refused = securityContext?.capabilities?.add?.filter((capability) => !allowed.includes(capability))
    return refused && refused.length > 0
      ? violationOf(rule, `${path}.securityContext.capabilities.add`, refused)
      : undefined
  })
}

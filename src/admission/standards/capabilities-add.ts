import { everyContainer } from '../pod/pod.ts'
import type { Rule, Violation } from '../pod/violation.ts'
import { addedCapabilities, capabilitiesBaseline } from './capabilities-baseline.ts'
import { type BarePod, type PodSecurityCheck } from './pod-security-check.ts'

/** Opening a port below 1024 is the one thing that restricted lets a container add. */
const addable = ['NET_BIND_SERVICE']
const allowed = addable.join(', ')

export const capabilitiesAdd: PodSecurityCheck = {
  rule: 'capabilities-add',
  title: 'Added capabilities',
  standard: 'restricted',
  reference: 'check_capabilities_restricted.go',
  fields: [`${everyContainer}.securityContext.capabilities.add`],
  fix: 'Remove every other added capability.',
  mutated: 'no',
  overrides: capabilitiesBaseline,
  versions: [
    { since: 22, allowed, judge: otherCapabilities },
    { since: 25, allowed, except: 'windows', judge: otherCapabilities },
  ],
}

function otherCapabilities(bare: BarePod, rule: Rule): Violation[] {
  return addedCapabilities(bare, rule, addable)
}

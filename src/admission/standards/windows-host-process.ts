import type { SecurityContext } from '../pod/pod.ts'
import { type Rule, type Violation, violationOf } from '../pod/violation.ts'
import {
  type BarePod,
  inContainers,
  inSecurityContexts,
  type PodSecurityCheck,
} from './pod-security-check.ts'

export const windowsHostProcess: PodSecurityCheck = {
  rule: 'windows-host-process',
  title: 'Windows HostProcess',
  standard: 'baseline',
  reference: 'check_windowsHostProcess.go',
  fields: inSecurityContexts('windowsOptions.hostProcess'),
  fix: 'Remove it.',
  mutated: 'no',
  versions: [{ since: 0, allowed: 'false or unset', judge: hostProcesses }],
}

function hostProcesses({ pod, containers }: BarePod, rule: Rule): Violation[] {
  const onPod = hostProcess(pod.spec.securityContext, 'spec', rule)
  const inside = inContainers(containers, ({ securityContext }, path) =>
    hostProcess(securityContext, path, rule),
  )
  return onPod ? [onPod, ...inside] : inside
}

function hostProcess(context: SecurityContext | undefined, path: string, rule: Rule): Violation | undefined {
  return context?.windowsOptions?.hostProcess === true
    ? violationOf(rule, `${path}.securityContext.windowsOptions.hostProcess`, true)
    : undefined
}

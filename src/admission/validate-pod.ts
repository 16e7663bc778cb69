import { checkAgentContainer } from './checks/agent-container.ts'
import { checkAgentType } from './checks/agent-type.ts'
import { checkAppLabel } from './checks/app-label.ts'
import { checkAppArmor } from './checks/apparmor.ts'
import { checkCapabilities } from './checks/capabilities.ts'
import { checkGracePeriod } from './checks/grace-period.ts'
import { checkHostNamespaces } from './checks/host-namespaces.ts'
import { checkHostPorts } from './checks/host-ports.ts'
import { checkInjectedEnv } from './checks/injected-env.ts'
import { checkOperatingSystem } from './checks/operating-system.ts'
import { checkPrivilegeEscalation } from './checks/privilege-escalation.ts'
import { checkPrivileged } from './checks/privileged.ts'
import { checkProbeHost } from './checks/probe-host.ts'
import { checkProbes } from './checks/probes.ts'
import { checkProcMount } from './checks/proc-mount.ts'
import { checkResources } from './checks/resources.ts'
import { checkRunAsNonRoot } from './checks/run-as-non-root.ts'
import { checkRunAsUser } from './checks/run-as-user.ts'
import { checkSeccomp } from './checks/seccomp.ts'
import { checkSecretReferences } from './checks/secret-references.ts'
import { checkSecurityContext } from './checks/security-context.ts'
import { checkSelinux } from './checks/selinux.ts'
import { checkServiceAccount } from './checks/service-account.ts'
import { checkServiceAccountToken } from './checks/service-account-token.ts'
import { checkSysctls } from './checks/sysctls.ts'
import { checkTmpVolume } from './checks/tmp-volume.ts'
import { checkVolumeKinds } from './checks/volume-kinds.ts'
import { checkWindowsHostProcess } from './checks/windows-host-process.ts'
import type { AdmissionContext } from './expectations.ts'
import { type Check, type JudgedPod, judgedPod } from './judged-pod.ts'
import type { Pod } from './pod.ts'
import type { Violation } from './violation.ts'

/** Pod Security Standard `restricted` (which holds `baseline`), as of Kubernetes 1.36. For every pod, components too. */
export const restrictedChecks: readonly Check[] = [
  checkPrivileged,
  checkHostNamespaces,
  checkHostPorts,
  checkVolumeKinds,
  checkCapabilities,
  checkSeccomp,
  checkRunAsNonRoot,
  checkRunAsUser,
  checkPrivilegeEscalation,
  checkProcMount,
  checkSysctls,
  checkSelinux,
  checkAppArmor,
  checkWindowsHostProcess,
  checkProbeHost,
]

/** What Greenroom asks besides; the table says what. */
const greenroomChecks: readonly Check[] = [
  checkServiceAccount,
  checkOperatingSystem,
  checkAgentContainer,
  checkAppLabel,
  checkSecurityContext,
  checkResources,
  checkProbes,
  checkServiceAccountToken,
  checkSecretReferences,
  checkInjectedEnv,
  checkTmpVolume,
  checkGracePeriod,
]

/**
 * Everything in the pod that the policy does not allow, the most telling first; empty if it passes. Of several
 * violations at one field, or a part of it, only the first is kept. Ownership of labels is judged apart, for it depends on the caller.
 */
export function validatePod(pod: Pod, namespace: string, context: AdmissionContext): Violation[] {
  const judged = judgedPod(pod, namespace, context)
  const checks = [checkAgentType, ...restrictedChecks, ...(isManaged(judged) ? greenroomChecks : [])]
  const kept: Violation[] = []
  for (const violation of checks.flatMap((check) => check(judged))) {
    if (!kept.some(({ path }) => path === violation.path || path.startsWith(`${violation.path}.`))) {
      kept.push(violation)
    }
  }
  return kept
}

/** Components and pods of an unknown type have no row to compare with. */
function isManaged({ standing }: JudgedPod): boolean {
  return standing.kind === 'agent' || standing.kind === 'plain'
}

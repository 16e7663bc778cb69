import type { Rule, Violation } from '../pod/violation.ts'
import { appArmor } from './apparmor.ts'
import { capabilitiesAdd } from './capabilities-add.ts'
import { capabilitiesBaseline } from './capabilities-baseline.ts'
import { capabilitiesDrop } from './capabilities-drop.ts'
import { hostNamespaces } from './host-namespaces.ts'
import { hostPath } from './host-path.ts'
import { hostPorts } from './host-ports.ts'
import type {
  BarePod,
  ExemptPods,
  PodSecurityCheck,
  PodSecurityJudge,
  PodSecurityRules,
} from './pod-security-check.ts'
import { privilegeEscalation } from './privilege-escalation.ts'
import { privileged } from './privileged.ts'
import { probeHost } from './probe-host.ts'
import { procMount } from './proc-mount.ts'
import { procMountBaseline } from './proc-mount-baseline.ts'
import { runAsNonRoot } from './run-as-non-root.ts'
import { runAsUser } from './run-as-user.ts'
import { seccomp } from './seccomp.ts'
import { seccompBaseline } from './seccomp-baseline.ts'
import { selinux } from './selinux.ts'
import { sysctls } from './sysctls.ts'
import { volumeKinds } from './volume-kinds.ts'
import { windowsHostProcess } from './windows-host-process.ts'

export type PodSecurityStandard = PodSecurityCheck['standard']

/** Every check of the Pod Security Standards, the most telling first. */
export const podSecurityChecks: readonly PodSecurityCheck[] = [
  privileged,
  hostNamespaces,
  hostPorts,
  hostPath,
  volumeKinds,
  capabilitiesBaseline,
  capabilitiesDrop,
  capabilitiesAdd,
  seccompBaseline,
  seccomp,
  runAsNonRoot,
  runAsUser,
  privilegeEscalation,
  procMountBaseline,
  procMount,
  sysctls,
  selinux,
  appArmor,
  windowsHostProcess,
  probeHost,
]

/** The newest release of Kubernetes 1 whose rules are all here. */
export const newestMinor = 37

/** What `podSecurity.version` of the policy may be: `latest` or `v1.0` to the newest. */
export function isPodSecurityVersion(version: string): boolean {
  return lists.restricted.has(version)
}

const exemptions: Readonly<Record<ExemptPods, (bare: BarePod) => boolean>> = {
  windows: ({ pod }) => pod.spec.os?.name === 'windows',
  'user-namespace': ({ pod }) => pod.spec.hostUsers === false,
}

interface InForce {
  readonly judge: PodSecurityJudge
  readonly rule: Rule
}

/** By standard and version, worked out once: a review only looks its list up. */
const lists: Readonly<Record<PodSecurityStandard, ReadonlyMap<string, readonly InForce[]>>> = {
  baseline: listsOf('baseline'),
  restricted: listsOf('restricted'),
}

function listsOf(standard: PodSecurityStandard): Map<string, readonly InForce[]> {
  const byVersion = new Map<string, readonly InForce[]>()
  for (let minor = 0; minor <= newestMinor; minor += 1) byVersion.set(`v1.${minor}`, inForce(standard, minor))
  return byVersion.set('latest', inForce(standard, newestMinor))
}

function inForce(standard: PodSecurityStandard, minor: number): InForce[] {
  const candidates = podSecurityChecks
    .filter((check) => standard === 'restricted' || check.standard === 'baseline')
    .flatMap((check) => {
      const rules = check.versions.findLast(({ since }) => since <= minor)
      return rules ? [{ check, rules }] : []
    })
  const overridden = new Set(candidates.map(({ check }) => check.overrides))
  return candidates
    .filter(({ check }) => !overridden.has(check))
    .map(({ check: { rule, fix }, rules }) => ({
      judge: withExemption(rules),
      rule: { rule, fix, allowed: rules.allowed },
    }))
}

function withExemption({ judge, except }: PodSecurityRules): PodSecurityJudge {
  if (!except) return judge
  const isExempt = exemptions[except]
  return (bare, rule) => (isExempt(bare) ? [] : judge(bare, rule))
}

/**
 * What the standard of that version (`latest`, `v1.37`) does not allow in a pod, exactly as the API server's own
 * PodSecurity judges it. A version that is not known here counts as the newest.
 */
export function podSecurityViolations(
  bare: BarePod,
  standard: PodSecurityStandard,
  version: string,
): Violation[] {
  const checks = lists[standard].get(version) ?? lists[standard].get('latest') ?? []
  const violations: Violation[] = []
  for (const { judge, rule } of checks) {
    const found = judge(bare, rule)
    if (found.length > 0) violations.push(...found)
  }
  return violations
}

/** Standard `restricted`, which Greenroom enforces on every pod, its own components included. */
export function restrictedViolations(bare: BarePod, version: string): Violation[] {
  return podSecurityViolations(bare, 'restricted', version)
}

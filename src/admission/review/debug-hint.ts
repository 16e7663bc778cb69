import type { Violation } from '../pod/violation.ts'
import type { AdmissionContext } from '../rules/admission-context.ts'
import { isCopy } from '../rules/copied-pod.ts'
import { podSecurityChecks } from '../standards/pod-security-standards.ts'

/**
 * What somebody who runs `kubectl debug` has to write instead. Its default profile adds SYS_PTRACE, and others add more;
 * `restricted` adds nothing.
 */
const profile = 'With kubectl debug use --profile=restricted.'

const podSecurityRules: ReadonlySet<string> = new Set(podSecurityChecks.map(({ rule }) => rule))

/** The violations of a debug container, or of a copy of an agent pod, with that in their remedies. */
export function withDebugHint(found: readonly Violation[], context: AdmissionContext): readonly Violation[] {
  if (found.length === 0) return found
  const isDebug = isCopy(context) ? () => true : isInDebugContainer
  return found.map((violation) =>
    podSecurityRules.has(violation.rule) && isDebug(violation)
      ? { ...violation, fix: `${violation.fix} ${profile}` }
      : violation,
  )
}

function isInDebugContainer({ path }: Violation): boolean {
  return path.startsWith('spec.ephemeralContainers')
}

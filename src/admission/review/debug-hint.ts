import type { Violation } from '../pod/violation.ts'
import { isShapedAgent, shapedTypeOf } from '../policy/own-pod-env.ts'
import type { AdmissionContext } from '../rules/admission-context.ts'
import { isCopy } from '../rules/copied-pod.ts'
import { podSecurityChecks } from '../standards/pod-security-standards.ts'

/**
 * What somebody who runs `kubectl debug` has to write instead. Its default profile adds SYS_PTRACE, and others add more;
 * `restricted` adds nothing.
 */
const profile = 'With kubectl debug use --profile=restricted.'
/** Pods that an older version shaped do not say their type themselves. */
const labels = 'With kubectl debug --copy-to use --keep-labels: the label agent-type says what the copy is.'

const podSecurityRules: ReadonlySet<string> = new Set(podSecurityChecks.map(({ rule }) => rule))

/** The violations of a debug container, or of a copy of an agent pod, with that in their remedies. */
export function withDebugHint(found: readonly Violation[], context: AdmissionContext): readonly Violation[] {
  const copied = isCopy(context)
  const isUntyped = copied && isUntypedCopy(context)
  return found.map((violation) => {
    const { rule, path, fix } = violation
    const isDebug = copied || path.startsWith('spec.ephemeralContainers')
    if (isDebug && podSecurityRules.has(rule)) return { ...violation, fix: `${fix} ${profile}` }
    return isUntyped && rule === 'secret-references' ? { ...violation, fix: `${fix} ${labels}` } : violation
  })
}

function isUntypedCopy({ podClass, containers }: AdmissionContext): boolean {
  return (
    podClass.kind === 'plain' &&
    containers.some(({ container }) => isShapedAgent(container) && shapedTypeOf(container) === undefined)
  )
}

import { agentEnv, annotation, label } from '../../domain/names.ts'
import type { EnvVar, SecurityContext } from '../pod/pod.ts'
import type { RowInForce } from '../policy/effective-row.ts'
import { isEnforced } from '../policy/modes.ts'
import type { Standing } from '../policy/pod-class.ts'
import type { PolicyDocument } from '../policy/policy-document.ts'
import type { AssignKeys } from '../policy/public-assign-keys.ts'

/** What the table asks of a pod, field by field. The mutator writes these values and the validator compares with them. */

/** Everything besides the pod that decides; the caller takes it once per review. */
export interface AdmissionContext {
  readonly policy: PolicyDocument
  readonly assignKeys: AssignKeys
}

const runtimeDefault = { type: 'RuntimeDefault' } as const

/** Fields of the pod's securityContext that no mode relaxes. */
export const podSecurity = {
  runAsNonRoot: true,
  seccompProfile: runtimeDefault,
} satisfies SecurityContext

/** The same of a container; `capabilities.drop` must besides hold ALL. */
export const containerSecurity = {
  runAsNonRoot: true,
  allowPrivilegeEscalation: false,
  seccompProfile: runtimeDefault,
} satisfies SecurityContext

/** The securityContext of the pod as the table wants it. */
export function hardenedPodContext(
  given: SecurityContext | undefined,
  row: RowInForce,
  policy: PolicyDocument,
): SecurityContext {
  if (isEnforced('user-ids', policy)) return { ...given, ...podSecurity, ...row.securityContext }
  return { ...given, ...podSecurity, ...rootReplaced(given, row) }
}

/** The securityContext of a container or init container as the table wants it. */
export function hardenedContainerContext(
  given: SecurityContext | undefined,
  row: RowInForce,
  policy: PolicyDocument,
): SecurityContext {
  const { runAsUser, runAsGroup } = row.securityContext
  const ids = isEnforced('user-ids', policy)
    ? // A group of its own would go before the pod's; without one there is nothing to change.
      { runAsUser, ...(given?.runAsGroup !== undefined && { runAsGroup }) }
    : rootReplaced(given, row)
  return {
    ...given,
    ...containerSecurity,
    ...ids,
    ...(isEnforced('read-only-root', policy) && { readOnlyRootFilesystem: true }),
    capabilities: withoutCapabilities(given),
  }
}

/** The securityContext of a debug container: restricted, no more, for who debugs may need to write. */
export function hardenedDebugContext(given: SecurityContext | undefined, row: RowInForce): SecurityContext {
  const { seccompProfile } = given ?? {}
  const isRestricted = seccompProfile?.type === 'RuntimeDefault' || seccompProfile?.type === 'Localhost'
  return {
    ...given,
    ...containerSecurity,
    ...(isRestricted && { seccompProfile }),
    runAsUser: given?.runAsUser || row.securityContext.runAsUser,
    capabilities: withoutCapabilities(given),
  }
}

function withoutCapabilities(
  given: SecurityContext | undefined,
): NonNullable<SecurityContext['capabilities']> {
  const drop = given?.capabilities?.drop ?? []
  return { ...given?.capabilities, drop: drop.includes('ALL') ? drop : [...drop, 'ALL'] }
}

/** Root is never allowed, whatever the mode of the other ids. */
function rootReplaced(given: SecurityContext | undefined, row: RowInForce): SecurityContext {
  return given?.runAsUser === 0 ? { runAsUser: row.securityContext.runAsUser } : {}
}

/** Environment of the agent container that overwrites whatever the pod says. References only, never a secret value. */
export function forcedEnv(standing: Standing, { assignKeys }: AdmissionContext): EnvVar[] {
  if (standing.kind === 'agent') {
    return [{ name: agentEnv.assignKeys, value: assignKeys.text }, ...podFields, ...standing.row.secretEnv]
  }
  return standing.kind === 'plain' ? [...standing.row.secretEnv] : []
}

/** What the agent is told of its own pod. */
const podFields = [
  fieldEnv(agentEnv.podUid, 'metadata.uid'),
  fieldEnv(agentEnv.podName, 'metadata.name'),
  fieldEnv(agentEnv.podIp, 'status.podIP'),
  fieldEnv(agentEnv.agentType, `metadata.labels['${label.agentType}']`),
]

function fieldEnv(name: string, fieldPath: string): EnvVar {
  return { name, valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath } } }
}

/** Annotations that the mutator writes, and that nobody but Greenroom may write with another value. */
export function writtenAnnotations(standing: Standing, context: AdmissionContext): Record<string, string> {
  if (standing.kind !== 'agent' && standing.kind !== 'plain') return {}
  return {
    [annotation.policyVersion]: context.policy.version,
    ...(standing.kind === 'agent' && { [annotation.assignKeyIds]: context.assignKeys.keyIds.join(',') }),
  }
}

/** Name prefix of the token volume that the ServiceAccount admission plugin adds. */
export const tokenVolumePrefix = 'kube-api-access-'

/** `/tmp/` and `/tmp` are the same place. */
export function samePath(a: string, b: string): boolean {
  return a === b || withoutEndingSlashes(a) === withoutEndingSlashes(b)
}

/** By hand: a pattern that ends in `/+$` takes quadratic time on a hostile path of a million slashes. */
function withoutEndingSlashes(path: string): string {
  let end = path.length
  while (end > 0 && path[end - 1] === '/') end -= 1
  return path.slice(0, end)
}

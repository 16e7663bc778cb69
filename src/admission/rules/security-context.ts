import type { SecurityContext } from '../pod/pod.ts'
import { sameValue } from '../pod/same-value.ts'
import { shown } from '../pod/violation.ts'
import { everyContainer } from './field-path.ts'
import { type Finding, finding, type GreenroomRule, shapedPods } from './greenroom-rule.ts'

const runtimeDefault = { type: 'RuntimeDefault' } as const

/** Of the pod. */
const podSecurity = { runAsNonRoot: true, seccompProfile: runtimeDefault } satisfies SecurityContext

/** Of each container; `capabilities.drop` must hold ALL besides. */
const containerSecurity = {
  runAsNonRoot: true,
  allowPrivilegeEscalation: false,
  seccompProfile: runtimeDefault,
} satisfies SecurityContext

export const securityContext: GreenroomRule = {
  rule: 'security-context',
  title: 'Security context',
  fields: [
    'spec.securityContext.{runAsNonRoot,seccompProfile}',
    `${everyContainer}.securityContext.{runAsNonRoot,allowPrivilegeEscalation,seccompProfile,capabilities}`,
  ],
  allowed:
    'exactly what the webhook sets: stricter than restricted, which allows Localhost profiles. ' +
    'Debug containers need to meet restricted only',
  appliesTo: shapedPods,
  mode: 'always',
  mutated: 'yes',
  why: 'Pod Security Standard restricted: an agent gets no rights on its node.',
  fix: 'Leave it out; the webhook sets it.',
  judge({ pod, containers }) {
    const found: Finding[] = []
    addDifferences(pod.spec.securityContext, podSecurity, 'spec', found)
    for (const { container, kind, path } of containers)
      if (kind !== 'ephemeral') addDifferences(container.securityContext, containerSecurity, path, found)
    return found
  },
  mutate(draft) {
    draft.assign(draft.security, podSecurity)
    for (const { security } of draft.containers) {
      draft.assign(security, { ...containerSecurity, capabilities: withoutCapabilities(security) })
    }
  },
  mutateDebug(draft) {
    for (const { security } of draft.containers) {
      const { seccompProfile } = security
      const isRestricted = seccompProfile?.type === 'RuntimeDefault' || seccompProfile?.type === 'Localhost'
      draft.assign(security, {
        ...containerSecurity,
        ...(isRestricted && { seccompProfile }),
        capabilities: withoutCapabilities(security),
      })
    }
  },
}

function addDifferences(
  given: SecurityContext | undefined,
  wanted: SecurityContext,
  path: string,
  found: Finding[],
): void {
  for (const name in wanted) {
    const field = name as keyof SecurityContext
    if (sameValue(given?.[field], wanted[field])) continue
    found.push(finding(`${path}.securityContext.${field}`, given?.[field], shown(wanted[field])))
  }
}

type Capabilities = NonNullable<SecurityContext['capabilities']>

/** Of a container that says nothing of capabilities; shared by all of them. */
const noCapabilities: Capabilities = { drop: ['ALL'] }

function withoutCapabilities({ capabilities }: SecurityContext): Capabilities {
  if (!capabilities) return noCapabilities
  const { drop = [] } = capabilities
  return { ...capabilities, drop: drop.includes('ALL') ? drop : [...drop, 'ALL'] }
}

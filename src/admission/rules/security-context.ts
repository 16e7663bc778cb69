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
  judge: ({ pod, containers }) => [
    ...differences(pod.spec.securityContext, podSecurity, 'spec'),
    ...containers
      .filter(({ kind }) => kind !== 'ephemeral')
      .flatMap(({ container, path }) => differences(container.securityContext, containerSecurity, path)),
  ],
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

function differences(found: SecurityContext | undefined, wanted: SecurityContext, path: string): Finding[] {
  return (Object.keys(wanted) as (keyof SecurityContext)[])
    .filter((field) => !sameValue(found?.[field], wanted[field]))
    .map((field) => finding(`${path}.securityContext.${field}`, found?.[field], shown(wanted[field])))
}

function withoutCapabilities({
  capabilities,
}: SecurityContext): NonNullable<SecurityContext['capabilities']> {
  const drop = capabilities?.drop ?? []
  return { ...capabilities, drop: drop.includes('ALL') ? drop : [...drop, 'ALL'] }
}

import type { SecurityContext } from '../pod/pod.ts'
import { type Rule, type Violation, violationOf } from '../pod/violation.ts'
import {
  type BarePod,
  inContainers,
  inSecurityContexts,
  type PodSecurityCheck,
} from './pod-security-check.ts'

export const seccompTypes = 'RuntimeDefault or Localhost'

export const seccompBaseline: PodSecurityCheck = {
  rule: 'seccomp-baseline',
  title: 'Seccomp switched off',
  standard: 'baseline',
  reference: 'check_seccompProfile_baseline.go',
  fields: [
    ...inSecurityContexts('seccompProfile.type'),
    // Before Kubernetes 1.19.
    'metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]',
    'metadata.annotations[container.seccomp.security.alpha.kubernetes.io/*]',
  ],
  fix: 'Remove it or use RuntimeDefault.',
  mutated: 'no',
  versions: [
    { since: 0, allowed: 'runtime/default, docker/default, localhost/* or unset', judge: otherAnnotations },
    { since: 19, allowed: `${seccompTypes}, or unset`, judge: otherTypes },
  ],
}

function otherAnnotations({ pod, containers }: BarePod, rule: Rule): Violation[] {
  const { annotations } = pod.metadata ?? {}
  if (!annotations) return []
  const keys = [
    'seccomp.security.alpha.kubernetes.io/pod',
    ...containers.map(({ container }) => `container.seccomp.security.alpha.kubernetes.io/${container.name}`),
  ]
  return keys.flatMap((key) => {
    const value = annotations[key]
    return value === undefined || isSeccompAnnotation(value)
      ? []
      : [violationOf(rule, `metadata.annotations[${key}]`, value)]
  })
}

function isSeccompAnnotation(value: string): boolean {
  return value === 'runtime/default' || value === 'docker/default' || value.startsWith('localhost/')
}

function otherTypes({ pod, containers }: BarePod, rule: Rule): Violation[] {
  const { securityContext } = pod.spec
  return [
    ...(hasOtherSeccomp(securityContext) ? [seccompViolation(rule, 'spec', securityContext)] : []),
    ...inContainers(containers, (container, path) =>
      hasOtherSeccomp(container.securityContext)
        ? seccompViolation(rule, path, container.securityContext)
        : undefined,
    ),
  ]
}

/** A profile that is there without a type is as wrong as one with a wrong type. */
export function hasOtherSeccomp(context: SecurityContext | undefined): boolean {
  const profile = context?.seccompProfile
  return profile !== undefined && profile.type !== 'RuntimeDefault' && profile.type !== 'Localhost'
}

export function seccompViolation(rule: Rule, path: string, context: SecurityContext | undefined): Violation {
  return violationOf(rule, `${path}.securityContext.seccompProfile.type`, context?.seccompProfile?.type)
}

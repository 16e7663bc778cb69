import type { SecurityContext } from '../pod/pod.ts'
import { type Rule, type Violation, violationOf } from '../pod/violation.ts'
import {
  type BarePod,
  inContainers,
  inSecurityContexts,
  type PodSecurityCheck,
} from './pod-security-check.ts'

const annotationPrefix = 'container.apparmor.security.beta.kubernetes.io/'

export const appArmor: PodSecurityCheck = {
  rule: 'apparmor',
  title: 'AppArmor',
  standard: 'baseline',
  reference: 'check_appArmorProfile.go',
  fields: [...inSecurityContexts('appArmorProfile.type'), `metadata.annotations[${annotationPrefix}*]`],
  fix: 'Remove it or use RuntimeDefault.',
  mutated: 'no',
  versions: [
    {
      since: 0,
      allowed: 'RuntimeDefault, Localhost or unset; in annotations runtime/default or localhost/*',
      judge: otherProfiles,
    },
  ],
}

function otherProfiles({ pod, containers }: BarePod, rule: Rule): Violation[] {
  const onPod = otherProfile(pod.spec.securityContext, 'spec', rule)
  return [
    ...(onPod ? [onPod] : []),
    ...inContainers(containers, ({ securityContext }, path) => otherProfile(securityContext, path, rule)),
    ...otherAnnotations(pod.metadata?.annotations, rule),
  ]
}

/** A profile that is there without a type is as wrong as one with a wrong type. */
function otherProfile(context: SecurityContext | undefined, path: string, rule: Rule): Violation | undefined {
  const profile = context?.appArmorProfile
  if (!profile || profile.type === 'RuntimeDefault' || profile.type === 'Localhost') return undefined
  return violationOf(rule, `${path}.securityContext.appArmorProfile.type`, profile.type)
}

function otherAnnotations(annotations: Readonly<Record<string, string>> = {}, rule: Rule): Violation[] {
  return Object.entries(annotations)
    .filter(([key, value]) => key.startsWith(annotationPrefix) && !isAllowedAnnotation(value))
    .map(([key, value]) => violationOf(rule, `metadata.annotations[${key}]`, value))
}

function isAllowedAnnotation(value: string): boolean {
  return value === '' || value === 'runtime/default' || value.startsWith('localhost/')
}

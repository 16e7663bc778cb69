import type { Check } from '../judged-pod.ts'
import type { SecurityContext } from '../pod.ts'
import { type Violation, violationOf } from '../violation.ts'

const annotationPrefix = 'container.apparmor.security.beta.kubernetes.io/'
const fieldTypes: readonly string[] = ['RuntimeDefault', 'Localhost']

const rule = {
  rule: 'apparmor',
  allowed: 'RuntimeDefault, Localhost or unset',
  fix: 'Remove it or use RuntimeDefault.',
}

/**
 * Pod Security Standard, baseline: AppArmor.
 * Fields: `spec.securityContext.appArmorProfile.type`, the same of every container, and the older annotations
 * `container.apparmor.security.beta.kubernetes.io/*`.
 * Allowed: RuntimeDefault, Localhost, unset (annotations: runtime/default, localhost/*, empty).
 */
export const checkAppArmor: Check = ({ pod, containers }) => [
  ...inContext(pod.spec.securityContext, 'spec'),
  ...containers.flatMap(({ container, path }) => inContext(container.securityContext, path)),
  ...Object.entries(pod.metadata?.annotations ?? {})
    .filter(([key, value]) => key.startsWith(annotationPrefix) && !isAllowedAnnotation(value))
    .map(([key, value]) => violationOf(rule, `metadata.annotations[${key}]`, value)),
]

function inContext(context: SecurityContext | undefined, path: string): Violation[] {
  const type = context?.appArmorProfile?.type
  return type === undefined || fieldTypes.includes(type)
    ? []
    : [violationOf(rule, `${path}.securityContext.appArmorProfile.type`, type)]
}

function isAllowedAnnotation(value: string): boolean {
  return value === '' || value === 'runtime/default' || value.startsWith('localhost/')
}

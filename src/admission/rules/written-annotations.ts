import { annotation } from '../../domain/names.ts'
import type { PodClass } from '../policy/pod-class.ts'
import type { PolicyInForce } from '../policy/policy-in-force.ts'
import { rowDigest } from '../policy/row-digest.ts'

/** The annotations that admission writes into a new pod of this class, over whatever stands there. */
export function writtenAnnotations(
  podClass: PodClass,
  { policy, assignKeys }: Pick<PolicyInForce, 'policy' | 'assignKeys'>,
): Readonly<Record<string, string>> {
  if (!('row' in podClass)) return {}
  return {
    [annotation.policyVersion]: policy.version,
    ...(podClass.kind === 'agent' && {
      [annotation.policyDigest]: rowDigest(podClass.row),
      [annotation.assignKeyIds]: assignKeys.keyIds.join(','),
    }),
  }
}

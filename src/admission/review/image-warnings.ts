import type { PoolsDocument } from '../../domain/pool.ts'
import { effectiveRow } from '../policy/effective-row.ts'
import type { PolicyDocument } from '../policy/policy-document.ts'
import { imageFindings } from '../rules/images.ts'

/** Images of pools that the rows of their types do not allow: every create of such a pod would be refused. */
export function imageWarnings({ pools }: PoolsDocument, policy: PolicyDocument): string[] {
  return Object.entries(pools).flatMap(([name, { template }]) => {
    const row = effectiveRow(name, policy)
    if (!row) return []
    return imageFindings(template.image, `/pools/${name}/template/image`, row.images).map(
      ({ path, found, allowed }) =>
        `${path}: is ${found}; the policy allows for ${name}: ${allowed}; pods of the pool will be refused`,
    )
  })
}

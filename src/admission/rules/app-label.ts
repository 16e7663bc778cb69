import { label } from '../../domain/names.ts'
import { violationOf } from '../pod/violation.ts'
import type { Check } from './judged-pod.ts'

/**
 * The label by which network policies select agents; it is added where absent and never changed.
 * Fields: `metadata.labels[app]`. Allowed: the row's `appLabel`, else the default one; anything for row `default`.
 */
export const checkAppLabel: Check = ({ pod, row }) => {
  if (!row) return []
  const wanted = row.appLabel
  const found = pod.metadata?.labels?.[label.app]
  if (wanted === undefined || found === wanted) return []
  const rule = {
    rule: 'app-label',
    allowed: wanted,
    fix: 'Use this value in the template and its selector, or set appLabel in the row.',
  }
  return [violationOf(rule, `metadata.labels[${label.app}]`, found)]
}

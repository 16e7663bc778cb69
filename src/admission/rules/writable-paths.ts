import { isWritableVolume, missingPaths } from '../mutate/mutate-volumes.ts'
import { type Violation, violationOf } from '../pod/violation.ts'
import type { Check } from './judged-pod.ts'

/**
 * Writable places of bounded size, for the root file system is read-only.
 * Fields: `volumeMounts[*].mountPath` of every container and init container; the volumes `greenroom-*` of the row's
 * `writablePaths`. Allowed: a mount at each path; the volume is an emptyDir of the table's size.
 */
export const checkWritablePaths: Check = ({ pod, containers, row }) => {
  if (!row) return []
  const violations: Violation[] = []
  for (const { container, kind, path } of containers) {
    if (kind === 'ephemeral') continue
    for (const missing of missingPaths(container.volumeMounts, row.writablePaths)) {
      const rule = {
        rule: 'writable-paths',
        allowed: `a mount at ${missing.path}`,
        fix: 'Leave it out; the webhook adds one.',
      }
      violations.push(violationOf(rule, `${path}.volumeMounts`, undefined))
    }
  }
  for (const [index, volume] of (pod.spec.volumes ?? []).entries()) {
    const ours = row.writablePaths.find(({ name }) => name === volume.name)
    if (!ours || isWritableVolume(volume, ours)) continue
    const rule = {
      rule: 'writable-paths',
      allowed: `an emptyDir of ${ours.sizeLimit}`,
      fix: 'Leave the volume out; the webhook adds it.',
    }
    violations.push(violationOf(rule, `spec.volumes[${index}]`, volume.emptyDir ?? Object.keys(volume)))
  }
  return violations
}

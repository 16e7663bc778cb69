import { samePath, tmpVolumeName } from '../expectations.ts'
import type { Check } from '../judged-pod.ts'
import { sameQuantity } from '../quantity.ts'
import { violationOf } from '../violation.ts'

/**
 * A writable place of bounded size, for the root file system is read-only.
 * Fields: `volumeMounts[*].mountPath` of every container and init container; the volume `greenroom-tmp`.
 * Allowed: a mount at the table's path; `greenroom-tmp` is an emptyDir of the table's size.
 */
export const checkTmpVolume: Check = ({ pod, containers, context }) => {
  const { path: wantedPath, sizeLimit } = context.policy.defaults.tmp
  const mountRule = {
    rule: 'tmp-volume',
    allowed: `a mount at ${wantedPath}`,
    fix: 'Leave it out; the webhook adds one.',
  }
  const volumeRule = {
    rule: 'tmp-volume',
    allowed: `an emptyDir of ${sizeLimit}`,
    fix: 'Leave the volume out; the webhook adds it.',
  }
  const unmounted = containers
    .filter(
      ({ container, kind }) =>
        kind !== 'ephemeral' &&
        !container.volumeMounts?.some((mount) => samePath(mount.mountPath, wantedPath)),
    )
    .map(({ path }) => violationOf(mountRule, `${path}.volumeMounts`, undefined))
  const other = (pod.spec.volumes ?? []).flatMap((volume, index) =>
    volume.name === tmpVolumeName && !sameQuantity(volume.emptyDir?.sizeLimit, sizeLimit)
      ? [violationOf(volumeRule, `spec.volumes[${index}].emptyDir.sizeLimit`, volume.emptyDir?.sizeLimit)]
      : [],
  )
  return [...unmounted, ...other]
}

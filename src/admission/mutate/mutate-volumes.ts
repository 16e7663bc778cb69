import type { Container, Pod, Volume } from '../pod/pod.ts'
import { parseQuantity, sameQuantity } from '../pod/quantity.ts'
import type { NamedPath, RowInForce } from '../policy/effective-row.ts'
import { samePath, tokenVolumePrefix } from '../rules/expected-fields.ts'

/** The volume that the ServiceAccount plugin added before us; a volume of that name with other contents is judged. */
export function isInjectedToken(volume: Volume): boolean {
  return (
    volume.name.startsWith(tokenVolumePrefix) &&
    (volume.projected?.sources ?? []).some((source) => source.serviceAccountToken !== undefined)
  )
}

/** Token volumes that leave the pod; their mounts go with them. */
export function removedVolumes(pod: Pod, row: RowInForce): ReadonlySet<string> {
  if (row.automountServiceAccountToken) return none
  return new Set((pod.spec.volumes ?? []).filter(isInjectedToken).map((volume) => volume.name))
}

const none: ReadonlySet<string> = new Set()

/** A container's mounts: without those of removed volumes, and with each writable path that it mounts nothing at. */
export function mountsOf(
  container: Container,
  removed: ReadonlySet<string>,
  paths: readonly NamedPath[],
): Pick<Container, 'volumeMounts'> {
  const given = container.volumeMounts
  const kept = removed.size > 0 ? given?.filter((mount) => !removed.has(mount.name)) : given
  const missing = missingPaths(kept, paths)
  if (missing.length === 0) return kept ? { volumeMounts: kept } : {}
  return { volumeMounts: [...(kept ?? []), ...missing.map(({ name, path }) => ({ name, mountPath: path }))] }
}

/** The writable paths at which none of a container's mounts stands. */
export function missingPaths(
  mounts: Container['volumeMounts'] = [],
  paths: readonly NamedPath[],
): readonly NamedPath[] {
  return paths.filter(({ path }) => !mounts.some((mount) => samePath(mount.mountPath, path)))
}

interface VolumeOptions {
  readonly removed: ReadonlySet<string>
  readonly paths: readonly NamedPath[]
  readonly row: RowInForce
  /** Of the mutated containers. */
  readonly mounted: ReadonlySet<string>
}

/** Whatever the pod calls by a name of ours becomes the table's: those names belong to Greenroom. */
export function volumesOf(pod: Pod, { removed, paths, row, mounted }: VolumeOptions): Volume[] | undefined {
  const given = pod.spec.volumes
  const kept = (given ?? [])
    .filter((volume) => !removed.has(volume.name))
    .map((volume) => {
      const ours = paths.find(({ name }) => name === volume.name)
      if (ours) return isWritableVolume(volume, ours) ? volume : writableVolume(ours)
      return isUnbounded(volume)
        ? { ...volume, emptyDir: { ...volume.emptyDir, sizeLimit: row.emptyDirSizeLimit } }
        : volume
    })
  const missing = paths.filter(
    ({ name }) => mounted.has(name) && !kept.some((volume) => volume.name === name),
  )
  if (!given && missing.length === 0) return undefined
  return [...kept, ...missing.map(writableVolume)]
}

function writableVolume({ name, sizeLimit, medium }: NamedPath): Volume {
  return { name, emptyDir: { ...(medium && { medium }), sizeLimit: String(sizeLimit) } }
}

/** True if this is the table's volume, whatever notation its size has. */
export function isWritableVolume(volume: Volume, { sizeLimit, medium }: NamedPath): boolean {
  const { emptyDir, ...rest } = volume
  return (
    Object.keys(rest).length === 1 &&
    emptyDir !== undefined &&
    (emptyDir.medium ?? '') === (medium ?? '') &&
    sameQuantity(emptyDir.sizeLimit, sizeLimit)
  )
}

/** True if this is an emptyDir without a limit; to Kubernetes 0 is none. */
export function isUnbounded({ emptyDir }: Volume): boolean {
  if (!emptyDir) return false
  return emptyDir.sizeLimit === undefined || (parseQuantity(emptyDir.sizeLimit) ?? 0n) <= 0n
}

import { sameQuantity } from '../../domain/quantity.ts'
import type { Volume, VolumeMount } from '../pod/pod.ts'
import { samePath } from '../pod/same-path.ts'
import { type NamedPath, volumePrefix } from '../policy/effective-row.ts'
import type { Draft } from './draft.ts'
import { startedContainers } from './field-path.ts'
import { type Finding, finding, type GreenroomRule, shapedPods } from './greenroom-rule.ts'

export const writablePaths: GreenroomRule = {
  rule: 'writable-paths',
  title: 'Writable places of bounded size',
  fields: [
    `${startedContainers}.volumeMounts[*].mountPath`,
    `${startedContainers}.volumeMounts[${volumePrefix}*]`,
    `spec.volumes[${volumePrefix}*]`,
  ],
  allowed:
    "something mounted at each of the row's `writablePaths`; the volumes of their names are emptyDirs of their sizes",
  appliesTo: shapedPods,
  mode: 'settable',
  mutated: 'yes',
  why: 'The root file system is read-only: what an agent may write to is a volume of bounded size.',
  fix: 'Leave it out; the webhook adds one.',
  judge({ pod, containers, row }) {
    const paths = row?.writablePaths ?? []
    const found: Finding[] = []
    for (const { container, kind, path } of containers) {
      if (kind === 'ephemeral') continue
      for (const missing of missingPaths(container.volumeMounts, paths))
        found.push(finding(`${path}.volumeMounts`, undefined, `a mount at ${missing.path}`))
    }
    for (const [index, volume] of pod.spec.volumes?.entries() ?? []) {
      const ours = paths.find(({ name }) => name === volume.name)
      if (!ours || isWritableVolume(volume, ours)) continue
      const given = volume.emptyDir ?? Object.keys(volume)
      found.push({
        ...finding(`spec.volumes[${index}]`, given, `an emptyDir of ${ours.sizeLimit}`),
        fix: 'Leave the volume out; the webhook adds it.',
      })
    }
    return found
  },
  mutate(draft, { row }) {
    const paths = row?.writablePaths ?? []
    for (const { container } of draft.containers) {
      const missing = missingPaths(container.volumeMounts, paths)
      if (missing.length === 0) continue
      const added = missing.map(({ name, path }): VolumeMount => ({ name, mountPath: path }))
      draft.assign(container, { volumeMounts: [...(container.volumeMounts ?? []), ...added] })
    }
    mendVolumes(draft, paths)
  },
}

/** The writable paths at which none of a container's mounts stands. */
function missingPaths(
  mounts: readonly VolumeMount[] = [],
  paths: readonly NamedPath[],
): readonly NamedPath[] {
  return paths.filter(({ path }) => !mounts.some((mount) => samePath(mount.mountPath, path)))
}

/** A volume by a name of ours becomes the table's: those names belong to Greenroom. Mounted ones are added. */
function mendVolumes(draft: Draft, paths: readonly NamedPath[]): void {
  const given = draft.spec.volumes ?? []
  const isMounted = (name: string): boolean =>
    draft.containers.some(({ container }) => container.volumeMounts?.some((mount) => mount.name === name))
  const mended = given.map((volume) => {
    const ours = paths.find(({ name }) => name === volume.name)
    return !ours || isWritableVolume(volume, ours) ? volume : writableVolume(ours)
  })
  const missing = paths.filter(({ name }) => isMounted(name) && !given.some((volume) => volume.name === name))
  if (missing.length > 0 || draft.spec.volumes) {
    draft.assign(draft.spec, { volumes: [...mended, ...missing.map(writableVolume)] })
  }
}

function writableVolume({ name, sizeLimit, medium }: NamedPath): Volume {
  return { name, emptyDir: { ...(medium && { medium }), sizeLimit: String(sizeLimit) } }
}

/** True if this is the table's volume, whatever notation its size has. */
function isWritableVolume(volume: Volume, { sizeLimit, medium }: NamedPath): boolean {
  const { emptyDir } = volume
  return (
    emptyDir !== undefined &&
    Object.keys(volume).length === 2 &&
    (emptyDir.medium ?? '') === (medium ?? '') &&
    sameQuantity(emptyDir.sizeLimit, sizeLimit)
  )
}

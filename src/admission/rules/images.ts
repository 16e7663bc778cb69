import { hasDigest, imageMatches, parseImageReference } from '../pod/image-reference.ts'
import type { Images } from '../policy/container-settings.ts'
import type { AdmissionContext } from './admission-context.ts'
import { everyContainer } from './field-path.ts'
import { type Finding, finding, type GreenroomRule, podsOfRows } from './greenroom-rule.ts'

export const images: GreenroomRule = {
  rule: 'images',
  title: 'Images',
  fields: [`${everyContainer}.image`, 'spec.volumes[*].image.reference'],
  allowed: "a reference to one of the row's `images`, with a digest where the row asks for it",
  appliesTo: podsOfRows,
  mode: 'settable',
  mutated: 'no',
  why: 'Agents run images that were reviewed, and a digest shows that the image is still the same.',
  fix: "Use an image of these, or name it in the row's images.",
  judge(context) {
    const { row } = context
    if (!row) return []
    return imagesOf(context).flatMap(({ image, path }) => imageFindings(image, path, row.images))
  },
}

/** What the row's `images` do not allow of one image. */
export function imageFindings(
  image: string | undefined,
  path: string,
  { allowed, digest }: Images,
): Finding[] {
  if (image === undefined) return allowed ? [finding(path, image, allowed.join(', '))] : []
  if (!parseImageReference(image)) return [notAReference(path, image, allowed)]
  const isAllowed = !allowed || allowed.some((pattern) => imageMatches(image, pattern))
  if (!isAllowed) return [finding(path, image, allowed.join(', '))]
  return digest === 'required' && !hasDigest(image) ? [withoutDigest(path, image)] : []
}

interface PlacedImage {
  readonly path: string
  readonly image: string | undefined
}

/** A volume of kind image brings programs into a pod as a container's image does. */
function imagesOf({ pod, containers }: AdmissionContext): PlacedImage[] {
  return [
    ...containers.map(({ container: { image }, path }) => ({ image, path: `${path}.image` })),
    ...(pod.spec.volumes ?? []).flatMap(({ image }, index) =>
      image ? [{ image: image.reference, path: `spec.volumes[${index}].image.reference` }] : [],
    ),
  ]
}

function notAReference(path: string, image: string, allowed: readonly string[] | undefined): Finding {
  const example = 'a reference to an image, such as registry.example.org/team/name:tag'
  return {
    ...finding(path, image, allowed?.join(', ') ?? example),
    fix: 'It is no reference to an image: write it in lower case, with one tag or digest and without spaces.',
  }
}

function withoutDigest(path: string, image: string): Finding {
  return {
    ...finding(path, image, 'a reference with a digest, such as name@sha256:…'),
    fix: 'Name the image by its digest: a tag can be moved after it was checked.',
  }
}

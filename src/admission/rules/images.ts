import { parseImagePattern, parseImageReference, referenceMatches } from '../pod/image-reference.ts'
import type { Images } from '../policy/container-settings.ts'
import { oncePer } from '../policy/once-per.ts'
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
    const found: Finding[] = []
    for (const { container, path } of context.containers)
      found.push(...imageFindings(container.image, `${path}.image`, row.images))
    // A volume of kind image brings programs into a pod as a container's image does.
    for (const [index, { image }] of context.pod.spec.volumes?.entries() ?? [])
      if (image)
        found.push(...imageFindings(image.reference, `spec.volumes[${index}].image.reference`, row.images))
    return found
  },
}

/** What the row's `images` do not allow of one image. */
export function imageFindings(image: string | undefined, path: string, images: Images): Finding[] {
  const { allowed } = images
  if (image === undefined) return allowed ? [finding(path, image, allowed.join(', '))] : []
  switch (verdictsOf(images)(image)) {
    case 'allowed':
      return []
    case 'no reference':
      return [notAReference(path, image, allowed)]
    case 'foreign':
      return [finding(path, image, (allowed ?? []).join(', '))]
    case 'no digest':
      return [withoutDigest(path, image)]
  }
}

type Verdict = 'allowed' | 'no reference' | 'foreign' | 'no digest'

/** A longer reference is judged each time; a registry, a repository, a tag and a digest together are shorter. */
const longestKept = 600
/** Far more than a row's pods have; then all are judged anew. */
const mostKept = 200

/** By the row's `images`. Thousands of pods have the same few images, so each is judged once. */
const verdictsOf = oncePer((images: Images) => {
  const judge = verdictOf(images)
  const known = new Map<string, Verdict>()
  return (image: string): Verdict => {
    const found = known.get(image)
    if (found !== undefined) return found
    const verdict = judge(image)
    if (image.length > longestKept) return verdict
    if (known.size >= mostKept) known.clear()
    known.set(image, verdict)
    return verdict
  }
})

function verdictOf({ allowed, digest }: Images): (image: string) => Verdict {
  const patterns = allowed?.flatMap((pattern) => parseImagePattern(pattern) ?? [])
  return (image) => {
    const reference = parseImageReference(image)
    if (!reference) return 'no reference'
    if (patterns && !patterns.some((pattern) => referenceMatches(reference, pattern))) return 'foreign'
    return digest === 'required' && reference.digest === undefined ? 'no digest' : 'allowed'
  }
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

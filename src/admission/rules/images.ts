import { hasDigest, imageMatches } from '../pod/image-reference.ts'
import { everyContainer } from './field-path.ts'
import { type Finding, finding, type GreenroomRule, podsOfRows } from './greenroom-rule.ts'

export const images: GreenroomRule = {
  rule: 'images',
  title: 'Images',
  fields: [`${everyContainer}.image`],
  allowed: "one of the row's `images`, with a digest where the row asks for it",
  appliesTo: podsOfRows,
  mode: 'settable',
  mutated: 'no',
  why: 'Agents run images that were reviewed, and a digest shows that the image is still the same.',
  fix: "Use an image of these, or name it in the row's images.",
  judge({ containers, row }) {
    if (!row) return []
    const { allowed, digest } = row.images
    if (!allowed && digest === 'allowed') return []
    return containers.flatMap(({ container: { image = '' }, path }): Finding[] => {
      const isAllowed = !allowed || allowed.some((pattern) => imageMatches(image, pattern))
      if (!isAllowed) return [finding(`${path}.image`, image, allowed.join(', '))]
      return digest === 'required' && !hasDigest(image) ? [withoutDigest(`${path}.image`, image)] : []
    })
  },
}

function withoutDigest(path: string, image: string): Finding {
  return {
    ...finding(path, image, 'a reference with a digest, such as name@sha256:…'),
    fix: 'Name the image by its digest: a tag can be moved after it was checked.',
  }
}

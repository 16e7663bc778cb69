import { hasDigest, imageMatches } from '../pod/image-reference.ts'
import { type Violation, violationOf } from '../pod/violation.ts'
import type { Check } from './judged-pod.ts'

const digestRule = {
  rule: 'images',
  allowed: 'a reference with a digest, such as name@sha256:…',
  fix: 'Name the image by its digest: a tag can be moved after it was checked.',
}

/**
 * What may run.
 * Fields: `image` of every container, debug ones too. Allowed: what the row's `images.allowed` names; with
 * `digest: required` only by digest.
 */
export const checkImages: Check = ({ containers, row }) => {
  if (!row) return []
  const { allowed, digest } = row.images
  if (!allowed && digest === 'allowed') return []
  const rule = {
    rule: 'images',
    allowed: allowed?.join(', ') ?? 'any',
    fix: "Use an image of these, or name it in the row's images.",
  }
  return containers.flatMap(({ container: { image = '' }, path }): Violation[] => {
    const isAllowed = !allowed || allowed.some((pattern) => imageMatches(image, pattern))
    if (!isAllowed) return [violationOf(rule, `${path}.image`, image)]
    return digest === 'required' && !hasDigest(image) ? [violationOf(digestRule, `${path}.image`, image)] : []
  })
}

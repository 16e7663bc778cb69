import { type ImagePattern, parseImagePattern } from '../pod/image-reference.ts'

/** What rows and components may say of images: one notation, read by pod/image-reference.ts. */
export const imagePatternText =
  'A repository (any tag or digest; the same as name:*), name:tag, name:1.* (tags that begin so), name@sha256:…, name@* (any ' +
  'digest), or path/* (every repository below). Compared part by part: a port belongs to the registry, and nginx is ' +
  'docker.io/library/nginx.'

/** Of a row. */
export function imageProblems(at: string, images: readonly string[]): string[] {
  return images
    .filter((image) => !parseImagePattern(image))
    .map(
      (image) =>
        `${at}: ${JSON.stringify(image)} is no image; write name, name:tag, name:*, name:1.*, name@sha256:…, name@* or path/*`,
    )
}

/**
 * Of a component, whose images act as Greenroom. A bare name was its tag latest before it meant any tag: it must say which
 * of the two is meant.
 */
export function componentImageProblems(at: string, images: readonly string[]): string[] {
  return [
    ...imageProblems(at, images),
    ...images
      .filter((image) => isWholeRegistry(parseImagePattern(image)))
      .map(
        (image) =>
          `${at}: ${image} would let every image of a registry act as Greenroom; name a path or an image`,
      ),
    ...images
      .filter((image) => parseImagePattern(image)?.version.kind === 'any' && !image.endsWith('*'))
      .map(
        (image) => `${at}: ${image} names no tag; write ${image}:* for any tag or digest, or ${image}:latest`,
      ),
  ]
}

function isWholeRegistry(pattern: ImagePattern | undefined): boolean {
  return pattern?.scope === 'below' && pattern.path === ''
}

/** References to images, written in full: two spellings of one image must not be judged differently. */

const digestPattern = /@[a-z0-9+._-]+:[0-9a-f]{32,}$/

/** Docker's short forms: `nginx` is `docker.io/library/nginx`, `acme/x` is `docker.io/acme/x`. */
export function fullReference(image: string): string {
  const slash = image.indexOf('/')
  if (slash < 0) return `docker.io/library/${image}`
  const host = image.slice(0, slash)
  const isHost = host.includes('.') || host.includes(':') || host === 'localhost'
  if (!isHost) return `docker.io/${image}`
  return host === 'index.docker.io' ? `docker.io${image.slice(slash)}` : image
}

export function hasDigest(image: string): boolean {
  return digestPattern.test(image)
}

/**
 * True if the image is what the pattern names: a repository with any tag or digest, a whole reference, or a beginning
 * that ends in `*`.
 */
export function imageMatches(image: string, pattern: string): boolean {
  const full = fullReference(image)
  if (pattern.endsWith('*')) return full.startsWith(fullReference(pattern.slice(0, -1)))
  const wanted = fullReference(pattern)
  if (full === wanted) return true
  return !isTagged(wanted) && full.startsWith(wanted) && /^[:@]/.test(full.slice(wanted.length))
}

/** A colon in the last part is a tag; one before the first slash is a port. */
function isTagged(reference: string): boolean {
  return /[:@]/.test(reference.slice(reference.lastIndexOf('/')))
}

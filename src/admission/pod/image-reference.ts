/**
 * References to images, read once into their parts: registry, repository, tag, digest. Two spellings of one image are equal,
 * and a pattern is compared part by part, never as text: `greenroom:5000/evil` begins like `greenroom:*`, but its registry
 * is another one.
 */

/** A place for images, written in full: Docker's short forms name docker.io, and `nginx` is its `library/nginx`. */
interface Repository {
  /** Host, with its port if it has one. */
  readonly registry: string
  readonly path: string
}

export interface ImageReference extends Repository {
  /** `latest` if the reference has neither tag nor digest, as the kubelet reads it. */
  readonly tag?: string
  readonly digest?: string
}

/** What a pattern allows of a repository, or of all repositories below a path. */
export interface ImagePattern extends Repository {
  /** `below`: the path is a beginning of whole parts; empty: all of the registry. */
  readonly scope: 'repository' | 'below'
  readonly version: Version
}

type Version =
  | { readonly kind: 'any' }
  /** A digest decides what runs, so an image with one is not of a tag. */
  | { readonly kind: 'tag'; readonly tag: string; readonly isPrefix: boolean }
  /** Without a digest: any. */
  | { readonly kind: 'digest'; readonly tag?: string; readonly digest?: string }

// The grammar of github.com/distribution/reference, which the kubelet and the container runtimes use. It also allows capital
// letters in hosts; they are refused here, so that a host has one spelling.
const label = '[a-z0-9](?:[a-z0-9-]*[a-z0-9])?'
const host = new RegExp(`^(?:${label}(?:\\.${label})*|\\[[0-9a-f:]+\\])(?::(\\d{1,5}))?$`)
const pathPart = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/
const tagText = /^\w[\w.-]{0,127}$/
const tagPrefix = /^\w[\w.-]{0,126}\*$/
/** Lengths of the digests that runtimes know, in hexadecimal digits. */
const digestText = /^(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$/
/** Longest repository of a registry, host included. */
const longestName = 255
const highestPort = 65_535

/** The parts of a reference; undefined if it is none. */
export function parseImageReference(text: string): ImageReference | undefined {
  const { name, tag, digest } = splitReference(text)
  const repository = repositoryOf(name)
  if (!repository) return undefined
  if (tag !== undefined && !tagText.test(tag)) return undefined
  if (digest !== undefined && !digestText.test(digest)) return undefined
  return {
    ...repository,
    ...(tag !== undefined ? { tag } : digest === undefined && { tag: 'latest' }),
    ...(digest !== undefined && { digest }),
  }
}

/**
 * The pattern that the text is, or undefined: a reference (without tag and digest: any), `name:*` for any tag or digest,
 * `name:1.*` for tags that begin so, `name@*` for any digest, `path/*` for every repository below.
 */
export function parseImagePattern(text: string): ImagePattern | undefined {
  if (text.endsWith('/*')) {
    const place = placeOf(text.slice(0, -2))
    return place && { ...place, scope: 'below', version: { kind: 'any' } }
  }
  const { name, tag, digest } = splitReference(text)
  const repository = repositoryOf(name)
  const version = versionOf(tag, digest)
  return repository && version && { ...repository, scope: 'repository', version }
}

function versionOf(tag: string | undefined, digest: string | undefined): Version | undefined {
  if (digest !== undefined) {
    if (digest !== '*' && !digestText.test(digest)) return undefined
    if (tag !== undefined && !tagText.test(tag)) return undefined
    return {
      kind: 'digest',
      ...(tag !== undefined && { tag }),
      ...(digest !== '*' && { digest }),
    }
  }
  if (tag === undefined || tag === '*') return { kind: 'any' }
  if (tagPrefix.test(tag)) return { kind: 'tag', tag: tag.slice(0, -1), isPrefix: true }
  return tagText.test(tag) ? { kind: 'tag', tag, isPrefix: false } : undefined
}

/** True if the image is what the pattern names. What is no reference, or no pattern, matches nothing. */
export function imageMatches(image: string, pattern: string): boolean {
  const reference = parseImageReference(image)
  const wanted = parseImagePattern(pattern)
  return reference !== undefined && wanted !== undefined && referenceMatches(reference, wanted)
}

export function referenceMatches(reference: ImageReference, wanted: ImagePattern): boolean {
  return isOfRepository(reference, wanted) && isOfVersion(reference, wanted.version)
}

function isOfRepository({ registry, path }: ImageReference, wanted: ImagePattern): boolean {
  if (registry !== wanted.registry) return false
  if (wanted.scope === 'repository') return path === wanted.path
  return wanted.path === '' || path.startsWith(`${wanted.path}/`)
}

function isOfVersion({ tag = '', digest }: ImageReference, version: Version): boolean {
  switch (version.kind) {
    case 'any':
      return true
    case 'tag':
      if (digest !== undefined) return false
      return version.isPrefix ? tag.startsWith(version.tag) : tag === version.tag
    case 'digest':
      if (digest === undefined || (version.tag !== undefined && version.tag !== tag)) return false
      return version.digest === undefined || version.digest === digest
  }
}

/** A colon in the last part begins a tag; one before it belongs to a port. */
function splitReference(text: string) {
  const at = text.indexOf('@')
  const tagged = at < 0 ? text : text.slice(0, at)
  const colon = tagged.indexOf(':', tagged.lastIndexOf('/') + 1)
  return {
    name: colon < 0 ? tagged : tagged.slice(0, colon),
    tag: colon < 0 ? undefined : tagged.slice(colon + 1),
    digest: at < 0 ? undefined : text.slice(at + 1),
  }
}

function repositoryOf(name: string): Repository | undefined {
  const place = placeOf(name.includes('/') ? name : `docker.io/${name}`)
  if (!place || place.path === '') return undefined
  // Runtimes take 64 hexadecimal digits for the id of an image.
  if (/^[0-9a-f]{64}$/.test(name)) return undefined
  const isShort = place.registry === 'docker.io' && !place.path.includes('/')
  return isShort ? { ...place, path: `library/${place.path}` } : place
}

/** Registry and path; the path is empty if there is only a host. */
function placeOf(name: string): Repository | undefined {
  if (name.length > longestName) return undefined
  const [first = '', ...rest] = name.split('/')
  const isHost = first.includes('.') || first.includes(':') || first === 'localhost'
  const registry = isHost ? registryOf(first) : 'docker.io'
  const parts = isHost ? rest : [first, ...rest]
  if (registry === undefined || !parts.every((part) => pathPart.test(part))) return undefined
  return { registry, path: parts.join('/') }
}

function registryOf(text: string): string | undefined {
  const found = host.exec(text)
  if (!found || Number(found[1] ?? '1') < 1 || Number(found[1] ?? '1') > highestPort) return undefined
  return text === 'index.docker.io' ? 'docker.io' : text
}

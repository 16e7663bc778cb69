import type { ContainerKind, Metadata } from './pod.ts'

/**
 * The LimitRanger plugin runs before webhooks and fills in a LimitRange's defaults. They are not the author's wish. Its
 * annotation says what it set:
 * `LimitRanger plugin set: cpu, memory request for container agent; cpu limit for init container fetch`.
 * An author who forges the annotation only gives up their own wish.
 */
const limitRangerAnnotation = 'kubernetes.io/limit-ranger'
const heading = 'LimitRanger plugin set: '

/** True if this value of a container is a LimitRange's default. */
export type IsDefaulted = (
  container: { readonly kind: ContainerKind; readonly name: string },
  field: 'request' | 'limit',
  resource: string,
) => boolean

const nothingDefaulted: IsDefaulted = () => false

export function limitRangerDefaults(metadata: Metadata | undefined): IsDefaulted {
  const text = metadata?.annotations?.[limitRangerAnnotation]
  if (text === undefined || !text.startsWith(heading)) return nothingDefaulted
  // By container and field: the author writes the text, and one key for each resource would repeat a long name.
  const set = new Map<string, Set<string>>()
  for (const part of text.slice(heading.length).split('; ')) {
    const match = /^(.+) (request|limit) for (container|init container) (\S+)$/.exec(part)
    if (!match) continue
    const [, resources = '', field, kind, name] = match
    const key = `${kind} ${name} ${field}`
    const known = set.get(key) ?? new Set()
    for (const resource of resources.split(', ')) known.add(resource)
    set.set(key, known)
  }
  return ({ kind, name }, field, resource) =>
    set.get(`${kind === 'init' ? 'init container' : 'container'} ${name} ${field}`)?.has(resource) ?? false
}

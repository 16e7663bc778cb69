/**
 * The notation of fields in rules: `spec.{containers,initContainers}[*].resources.limits`.
 * `{a,b}` stands for either; `[*]` for each element or member; `[x*]` for those whose name begins with x; `[agent]` below
 * `spec.containers` for the agent container, whatever its name. A field of an object covers all that is below it.
 */

/** Where Kubernetes starts programs: all containers, or all but debug containers. */
export { everyContainer } from '../pod/pod.ts'
export const startedContainers = 'spec.{containers,initContainers}[*]'
export const agentContainer = 'spec.containers[agent]'

/** One segment of a place, or of a pattern: there a last `*` stands for any ending. */
export type Segments = readonly string[]

/** A pattern of the notation as lists of segments, one for each choice of its braces. */
export function segmentsOf(field: string): Segments[] {
  const brace = /\{([^}]*)\}/.exec(field)
  if (brace) {
    const [whole, choices = ''] = brace
    return choices.split(',').flatMap((choice) => segmentsOf(field.replace(whole, choice)))
  }
  const segments = [...field.matchAll(/\[([^\]]*)\]|[^.[\]]+/g)].map(([text, name]) => name ?? text)
  return [field.startsWith(agentContainer) ? segments.with(2, '*') : segments]
}

/** True if the place is what the pattern names, or below it. */
export function covers(pattern: Segments, place: Segments): boolean {
  return pattern.length <= place.length && fitsAsFar(pattern, place)
}

/** True if the pattern names the place or something below it. */
export function leadsTo(pattern: Segments, place: Segments): boolean {
  return place.length <= pattern.length && fitsAsFar(pattern, place)
}

function fitsAsFar(pattern: Segments, place: Segments): boolean {
  const length = Math.min(pattern.length, place.length)
  for (let index = 0; index < length; index += 1) {
    const wanted = pattern[index] ?? ''
    const given = place[index] ?? ''
    if (wanted.endsWith('*') ? !given.startsWith(wanted.slice(0, -1)) : wanted !== given) return false
  }
  return true
}

import jsonPatch from 'fast-json-patch'
import type { Container, Pod, PodSpec } from '../pod/pod.ts'

/** RFC 6902, as far as patches of pods need it. */
export type PatchOperation =
  | { readonly op: 'add' | 'replace'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string }

/**
 * The JSON Patch that turns one pod into the other; empty if they are equal.
 *
 * fast-json-patch compares lists by index: one element that comes or goes would rewrite all that follow it, values of
 * variables included, and patches go to the audit log. So elements that come or go in lists of named elements are one
 * operation each, and fast-json-patch compares what then stands at the same index.
 */
export function podPatch(before: Pod, after: Pod): PatchOperation[] {
  if (before === after) return []
  const moves: PatchOperation[] = []
  const aligned = {
    ...before,
    ...(before.metadata &&
      after.metadata && { metadata: withComing(before.metadata, after.metadata, '/metadata', moves) }),
    spec: alignedSpec(before.spec, after.spec, moves),
  }
  // Without `invertible` it makes no other operations than these three.
  return [...moves, ...(jsonPatch.compare(aligned, after) as PatchOperation[])]
}

/**
 * The object with the members that come as a whole, a probe or a securityContext; `moves` get the steps. They are the
 * greater part of a patch, and fast-json-patch would copy each through JSON.
 */
function withComing<T extends object>(before: T, after: T, path: string, moves: PatchOperation[]): T {
  if (before === after) return before
  const aligned = { ...before }
  for (const field in after) {
    const value = after[field]
    if (typeof value !== 'object' || value === null || Object.hasOwn(before, field)) continue
    aligned[field] = value
    moves.push({ op: 'add', path: `${path}/${jsonPatch.escapePathComponent(field)}`, value })
  }
  return aligned
}

function alignedSpec(before: PodSpec, after: PodSpec, moves: PatchOperation[]): PodSpec {
  const spec = withComing(before, after, '/spec', moves)
  const { securityContext, volumes } = before
  if (securityContext && after.securityContext)
    spec.securityContext = withComing(securityContext, after.securityContext, '/spec/securityContext', moves)
  if (volumes && after.volumes) spec.volumes = alignedList(volumes, after.volumes, '/spec/volumes', moves)
  for (const field of ['containers', 'initContainers'] as const) {
    const wanted = after[field]
    if (!before[field] || !wanted) continue
    spec[field] = before[field].map((container, index) =>
      alignedContainer(container, wanted[index], `/spec/${field}/${index}`, moves),
    )
  }
  return spec
}

function alignedContainer(
  before: Container,
  after: Container | undefined,
  path: string,
  moves: PatchOperation[],
): Container {
  if (!after) return before
  const container = withComing(before, after, path, moves)
  const { env, volumeMounts, resources } = before
  if (resources && after.resources)
    container.resources = withComing(resources, after.resources, `${path}/resources`, moves)
  if (env && after.env) container.env = alignedList(env, after.env, `${path}/env`, moves)
  if (volumeMounts && after.volumeMounts)
    container.volumeMounts = alignedList(volumeMounts, after.volumeMounts, `${path}/volumeMounts`, moves)
  return container
}

interface Named {
  readonly name: string
}

/**
 * The list with its elements at the wanted indices; `moves` get the steps there. Elements that go are removed from
 * behind, so that no index shifts.
 */
function alignedList<T extends Named>(
  before: T[],
  after: readonly T[],
  path: string,
  moves: PatchOperation[],
): T[] {
  if (before === after) return before
  const formerIndices = formerIndicesOf(before, after)
  const staying = new Set(formerIndices)
  for (let index = before.length - 1; index >= 0; index -= 1) {
    if (!staying.has(index)) moves.push({ op: 'remove', path: `${path}/${index}` })
  }
  return after.map((element, index) => {
    const former = before[formerIndices[index] ?? absent]
    if (!former) moves.push({ op: 'add', path: `${path}/${index}`, value: element })
    return former ?? element
  })
}

const absent = -1

/**
 * For each element where it stood before, rising; `absent` for those that come. An element that is shared stays: it is the
 * author's, and written anew it would show its value. Another one continues an element of its name that stood between the
 * same shared ones. Linear, for the lists are their author's to lengthen.
 */
function formerIndicesOf(before: readonly Named[], after: readonly Named[]): number[] {
  const indexOf = new Map(before.map((element, index) => [element, index]))
  let last = absent
  const shared = after.map((element) => {
    const index = indexOf.get(element) ?? absent
    if (index <= last) return absent
    last = index
    return index
  })
  const ceilings = shared.toReversed()
  ceilings.forEach((index, at) => {
    if (index === absent) ceilings[at] = at === 0 ? before.length : (ceilings[at - 1] ?? before.length)
  })
  const byName = Map.groupBy(before.keys(), (index) => before[index]?.name)
  for (const indices of byName.values()) indices.reverse()
  let floor = absent
  return after.map(({ name }, at) => {
    const ceiling = ceilings[after.length - 1 - at] ?? before.length
    const found = shared[at] === absent ? nextOf(byName.get(name) ?? [], floor, ceiling) : ceiling
    if (found !== absent) floor = found
    return found
  })
}

/** Takes the first of the falling indices that is above the floor, if it is below the ceiling. */
function nextOf(indices: number[], floor: number, ceiling: number): number {
  while ((indices.at(-1) ?? Infinity) <= floor) indices.pop()
  return (indices.at(-1) ?? Infinity) < ceiling ? (indices.pop() ?? absent) : absent
}

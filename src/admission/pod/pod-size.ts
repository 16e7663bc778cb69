import { isJsonObject, type JsonObject } from './json-object.ts'

/**
 * How much of a pod is judged. The webhook has one thread, and a review that takes seconds keeps every other request
 * waiting until the API server gives up. A pod that runs has some 300 values and a handful of containers.
 */

/** Each gets some thirty values from its row. Rows allow far fewer, and rule container-count says so up to here. */
export const mostContainers = 200

/**
 * Fields and elements in the spec, and of labels, annotations, owners and finalizers: what 200 hardened containers have,
 * and some more. The costliest pods of this size take 0.3 s.
 */
export const mostValues = 20_000

/** Why an object is too large to be judged as a pod; empty if it is not. It may be anything. */
export function sizeProblems(object: unknown): string[] {
  if (!isJsonObject(object)) return []
  const { metadata, spec } = object
  const containers = containersIn(spec)
  if (containers > mostContainers) {
    return [`/spec: has ${containers} containers; at most ${mostContainers} are judged`]
  }
  if (!hasMoreValues([spec, ...judgedParts(metadata)], mostValues)) return []
  return [`/: metadata and spec have more than ${mostValues} values; a pod with more is not judged`]
}

function containersIn(spec: unknown): number {
  if (!isJsonObject(spec)) return 0
  return lengthOf(spec.containers) + lengthOf(spec.initContainers) + lengthOf(spec.ephemeralContainers)
}

function lengthOf(list: unknown): number {
  return Array.isArray(list) ? list.length : 0
}

/** Without managedFields, which the API server writes. */
function judgedParts(metadata: unknown): unknown[] {
  if (!isJsonObject(metadata)) return []
  const { labels, annotations, ownerReferences, finalizers } = metadata
  return [labels, annotations, ownerReferences, finalizers]
}

/** A loop, not a recursion: a pod that is to be explained may be nested as deep as its author likes. */
function hasMoreValues(parts: readonly unknown[], most: number): boolean {
  let left = most
  const pending = parts.filter(isObject)
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    if (Array.isArray(value)) {
      left -= value.length
      for (const inner of value) if (isObject(inner)) pending.push(inner)
    } else {
      // Not Object.values: this visits every value of the pod, and a list for each object would cost time.
      for (const key in value) {
        left -= 1
        const inner = (value as JsonObject)[key]
        if (isObject(inner)) pending.push(inner)
      }
    }
    if (left < 0) return true
  }
  return false
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

import jsonPatch, { type Operation } from 'fast-json-patch'
import { isJsonObject, type JsonObject } from '../pod/json-object.ts'
import type { Pod } from '../pod/pod.ts'
import { shown } from '../pod/violation.ts'
import { covers, leadsTo, type Segments, segmentsOf } from '../rules/field-path.ts'
import { greenroomRules } from '../rules/greenroom-rules.ts'
import type { PatchOperation } from './pod-patch.ts'

/** One field that the policy changes. Never holds the value of an env variable. */
export interface Change {
  /** `spec.containers[agent].securityContext.runAsUser`: elements of lists by name. */
  readonly path: string
  readonly was: string
  readonly becomes: string
  /** Of the same set as the rules of violations: a metric label. */
  readonly rule: string
  /** One sentence. */
  readonly why: string
}

interface Reason extends Pick<Change, 'rule' | 'why'> {
  readonly field: Segments
}

/** Marks a change that no rule explains. A test over random pods finds one. */
export const unexplained = {
  rule: 'unexplained',
  why: 'Greenroom has no reason on record for this; please report it.',
}

/** By field, the most telling pattern first. */
const reasons: readonly Reason[] = greenroomRules
  .filter(({ mutate, mutateDebug }) => mutate ?? mutateDebug)
  .flatMap(({ rule, why, reasons: others = {}, fields }) =>
    fields.flatMap((field) =>
      segmentsOf(field).map((found) => ({ field: found, rule, why: others[field] ?? why })),
    ),
  )
  .sort((a, b) => byPrecision(a.field, b.field))

/** At the first segment that differs a name comes before a pattern, and a longer pattern before a shorter one. */
function byPrecision(a: Segments, b: Segments): number {
  const index = a.findIndex((segment, at) => segment !== b[at])
  if (index < 0) return a.length - b.length
  const [left = '', right = ''] = [a[index], b[index]]
  const weight = (segment: string): number => (segment.endsWith('*') ? segment.length : Infinity)
  if (weight(left) !== weight(right)) return weight(left) > weight(right) ? -1 : 1
  return left < right ? -1 : 1
}

/**
 * What the operations of a patch do to the pod, field by field, and why. A value that comes or goes as a whole is taken
 * apart as far as the fields of rules go. `rules` are those that made the patch.
 */
export function changesOf(pod: Pod, patch: readonly PatchOperation[], rules: readonly string[]): Change[] {
  const known = reasons.filter(({ rule }) => rules.includes(rule))
  // Copied as JSON, for the operations change the document while it is read.
  const document = jsonPatch.deepClone(pod) as Pod
  const parts = patch.flatMap((operation) => {
    const becomes = operation.op === 'remove' ? undefined : operation.value
    // An added element stands where another one may stand now.
    const was = operation.op === 'add' ? undefined : jsonPatch.getValueByPointer(document, operation.path)
    const place = placeOf(document, operation.path, becomes)
    jsonPatch.applyOperation(document, operation as Operation)
    return partsOf({ place, was, becomes }, known)
  })
  return withMovesAsOne(parts).map(asChange(known))
}

/** An element that goes and comes again elsewhere, as a variable before those that refer to it, is one change. */
function withMovesAsOne(parts: readonly Part[]): Part[] {
  const gone = new Map<string, Part>()
  const returned = new Set<Part>()
  const merged = parts.map((part) => {
    const key = part.place.join('/')
    if (part.becomes === undefined) gone.set(key, part)
    const former = part.was === undefined ? gone.get(key) : undefined
    if (!former || former === part) return part
    returned.add(former)
    return { ...part, was: former.was }
  })
  return merged.filter((part) => !returned.has(part))
}

export interface Part {
  /** Names on the way to the field; an element of a list by its own name, where it has one. */
  readonly place: Segments
  readonly was: unknown
  readonly becomes: unknown
}

function placeOf(document: object, pointer: string, added: unknown): Segments {
  const keys = pointer.split('/').slice(1).map(jsonPatch.unescapePathComponent)
  let value: unknown = document
  return keys.map((key, index) => {
    const isList = Array.isArray(value)
    const part = (value as JsonObject)[key]
    value = index === keys.length - 1 ? (added ?? part) : part
    return (isList ? nameOf(value) : undefined) ?? key
  })
}

function partsOf(part: Part, known: readonly Reason[]): Part[] {
  const { place, was, becomes } = part
  if (known.some(({ field }) => covers(field, place))) return [part]
  if (!known.some(({ field }) => leadsTo(field, place))) return [part]
  const members = membersOf(becomes ?? was)
  if (members.length === 0) return [part]
  return members.flatMap(([segment, value]) => {
    const inside = becomes === undefined ? { was: value, becomes } : { was: undefined, becomes: value }
    return partsOf({ place: [...place, segment], ...inside }, known)
  })
}

function membersOf(value: unknown): (readonly [string, unknown])[] {
  if (Array.isArray(value)) return value.map((part, index) => [nameOf(part) ?? String(index), part] as const)
  return isJsonObject(value) ? Object.entries(value) : []
}

/** One changed value, with the reason of the rule that changed it. `rules` are those that changed the pod. */
export function changeAt(part: Part, rules: readonly string[]): Change {
  return asChange(reasons.filter(({ rule }) => rules.includes(rule)))(part)
}

function asChange(known: readonly Reason[]) {
  return ({ place, was, becomes }: Part): Change => {
    const { rule, why } = known.find(({ field }) => covers(field, place)) ?? unexplained
    return { path: fieldPath(place), was: shownAt(place, was), becomes: shownAt(place, becomes), rule, why }
  }
}

function nameOf(element: unknown): string | undefined {
  return isJsonObject(element) && typeof element.name === 'string' ? element.name : undefined
}

/** A name longer than any that Kubernetes takes is cut: the author of the pod wrote it. */
const longestSegment = 64

function fieldPath(place: Segments): string {
  return place.reduce((path, segment, index) => {
    const short = segment.length > longestSegment ? `${segment.slice(0, longestSegment)}…` : segment
    if (index === 0) return short
    // Lists stand below `spec` or `metadata`, and below a container, which may itself have any name.
    const isKey = (index === 2 || index === 4) && keyed.has(place[index - 1] ?? '')
    return isKey || !/^[A-Za-z]\w*$/.test(short) ? `${path}[${short}]` : `${path}.${short}`
  }, '')
}

/** JsonObject of these are known by key or name, not by field. */
const keyed: ReadonlySet<string> = new Set([
  'containers',
  'initContainers',
  'ephemeralContainers',
  'volumes',
  'volumeMounts',
  'env',
  'labels',
  'annotations',
])

const hidden = '(hidden)'

/**
 * Of an env variable only where its value comes from: `spec`, `containers`, name, `env`, name, then its fields. Of a CSI
 * volume nothing: attributes of its driver may be secrets.
 */
function shownAt(place: Segments, value: unknown): string {
  if (place[1] === 'volumes' && (place[3] === 'csi' || (isJsonObject(value) && 'csi' in value))) return hidden
  if (value === undefined || place[3] !== 'env') return shown(value)
  if (place.length > 5) return place[5] === 'valueFrom' ? shown(value) : hidden
  return isJsonObject(value) && isJsonObject(value.valueFrom) ? shown(value.valueFrom) : hidden
}

/** One line for people. */
export function describeChange({ path, was, becomes, rule, why }: Change): string {
  return `${path}: was ${was}, becomes ${becomes}. ${why} (rule ${rule})`
}

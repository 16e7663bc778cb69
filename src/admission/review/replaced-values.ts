import { sameQuantity } from '../../domain/quantity.ts'
import { changeAt, describeChange, type Part } from '../mutate/pod-changes.ts'
import { isJsonObject, type JsonObject } from '../pod/json-object.ts'
import { type IsDefaulted, limitRangerDefaults } from '../pod/limit-ranger.ts'
import type { Pod } from '../pod/pod.ts'
import { tokenVolumePrefix } from '../pod/token-volume.ts'
import type { Segments } from '../rules/field-path.ts'

/**
 * Warnings to the author of a new pod: each value of their own that the policy replaced or removed, what it becomes and
 * why. Nothing is said of what was added, nor of values that the API server's defaults and plugins wrote. `rules` are
 * those that changed the pod.
 *
 * The pods are compared, not their patch: they share all that no rule touched, so this takes a few microseconds where
 * there is nothing to say.
 */
export function replacedValues(pod: Pod, mutated: Pod, rules: readonly string[]): string[] {
  const found: Part[] = []
  compare({ place: ['spec'], was: pod.spec, becomes: mutated.spec }, found)
  const authored = found.length > 0 ? found.filter(isAuthored(pod)) : found
  return authored.map(
    (part) => `${describeChange(changeAt(part, rules))}${asksForRoot(part) ? rootNote : ''}`,
  )
}

const rootNote = ' A program that needs root will fail'

function asksForRoot({ place, was }: Part): boolean {
  return was === 0 && place.at(-1) === 'runAsUser'
}

/** Notes what was there and is not there any more. */
function compare(part: Part, found: Part[]): void {
  const { place, was, becomes } = part
  if (was === becomes || isNothing(was)) return
  if (Array.isArray(was) && Array.isArray(becomes)) compareLists(place, was, becomes, found)
  else if (isJsonObject(was) && isJsonObject(becomes)) compareMembers(place, was, becomes, found)
  else found.push(part)
}

function isNothing(value: unknown): boolean {
  return (
    value === undefined || value === null || value === '' || (typeof value === 'object' && isEmpty(value))
  )
}

function isEmpty(value: object): boolean {
  return Array.isArray(value) ? value.length === 0 : Object.keys(value).length === 0
}

function compareMembers(place: Segments, was: JsonObject, becomes: JsonObject, found: Part[]): void {
  for (const key in was) {
    if (was[key] === becomes[key]) continue
    compare({ place: [...place, key], was: was[key], becomes: becomes[key] }, found)
  }
}

function compareLists(
  place: Segments,
  was: readonly unknown[],
  becomes: readonly unknown[],
  found: Part[],
): void {
  const gone = without(was, becomes)
  if (gone.length === 0) return
  if (gone.every((element) => nameOf(element) !== undefined)) {
    // The plugin's own; rule service-account-token removes them.
    const authored = gone.filter((element) => !nameOf(element)?.startsWith(tokenVolumePrefix))
    if (authored.length === 0) return
    // Of two with one name the first counts.
    const successors = new Map(becomes.toReversed().map((element) => [nameOf(element), element]))
    for (const element of authored) {
      const name = nameOf(element) ?? ''
      compare({ place: [...place, name], was: element, becomes: successors.get(name) }, found)
    }
    return
  }
  const written = new Set(becomes.map(sortedText))
  if (gone.every((element) => written.has(sortedText(element)))) return
  if (was.length === becomes.length && was.every(isJsonObject)) {
    for (const [index, element] of was.entries()) {
      compare({ place: [...place, String(index)], was: element, becomes: becomes[index] }, found)
    }
    return
  }
  found.push({ place, was, becomes })
}

/** The elements that are not in the other list any more. */
function without(was: readonly unknown[], becomes: readonly unknown[]): readonly unknown[] {
  // Most lists are so short that a set costs more than it saves; the author may make a list as long as they like.
  if (was.length <= shortList && becomes.length <= shortList)
    return was.filter((element) => !becomes.includes(element))
  const staying = new Set(becomes)
  return was.filter((element) => !staying.has(element))
}

const shortList = 16

/** The same text for the same value, whatever the order of its keys: a set finds it without comparing each with each. */
function sortedText(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    isJsonObject(part)
      ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  )
}

function nameOf(element: unknown): string | undefined {
  return isJsonObject(element) && typeof element['name'] === 'string' ? element['name'] : undefined
}

/** Fields that a plugin works out from another one, which has a warning of its own. */
const derived: ReadonlySet<string> = new Set(['serviceAccount', 'overhead', 'priority', 'preemptionPolicy'])

/** What the API server or a plugin fills in where the author says nothing, by the name of the field. */
const defaults: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['terminationGracePeriodSeconds', 30],
  ['timeoutSeconds', 1],
  ['periodSeconds', 10],
  ['successThreshold', 1],
  ['failureThreshold', 3],
  ['scheme', 'HTTP'],
  ['serviceAccountName', 'default'],
])

function isAuthored(pod: Pod): (part: Part) => boolean {
  const isLimitRangers = limitRangerDefaults(pod.metadata)
  return (part) => {
    const [, field = ''] = part.place
    if (derived.has(field) || isDefault(part)) return false
    if (field === 'priorityClassName') return isSentByAuthor(pod, field)
    return !isFilledIn(pod, part, isLimitRangers)
  }
}

function isDefault({ place, was }: Part): boolean {
  const last = place.at(-1) ?? ''
  return defaults.has(last) && defaults.get(last) === was
}

/** A quantity of a container that a LimitRange gave, or a request that Kubernetes made of the limit. */
function isFilledIn(pod: Pod, { place, was }: Part, isLimitRangers: IsDefaulted): boolean {
  const [, field, name = '', inside, list, resource = ''] = place
  if (inside !== 'resources' || (field !== 'containers' && field !== 'initContainers')) return false
  const kind = field === 'containers' ? 'main' : 'init'
  const isRequest = list === 'requests'
  if (isLimitRangers({ kind, name }, isRequest ? 'request' : 'limit', resource)) return true
  const limits = pod.spec[field]?.find((container) => container.name === name)?.resources?.limits
  return isRequest && isQuantity(was) && sameQuantity(was, limits?.[resource])
}

function isQuantity(value: unknown): value is string | number {
  return typeof value === 'string' || typeof value === 'number'
}

/**
 * False if the plugin that knows the cluster's default class wrote it: what the client sent stands in managedFields
 * before plugins and webhooks change the pod.
 */
function isSentByAuthor({ metadata }: Pod, field: string): boolean {
  const { managedFields } = { managedFields: undefined, ...metadata } as { readonly managedFields?: unknown }
  return !Array.isArray(managedFields) || JSON.stringify(managedFields).includes(`"f:${field}"`)
}

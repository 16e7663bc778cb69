import { type Change, describeChange } from '../mutate/pod-changes.ts'
import { limitRangerDefaults } from '../pod/limit-ranger.ts'
import { containersOf, type Pod } from '../pod/pod.ts'
import { sameQuantity } from '../pod/quantity.ts'
import { tokenVolumePrefix } from '../pod/token-volume.ts'

/**
 * Warnings to the author of a new pod: each value of their own that the policy replaced or removed, what it becomes and
 * why. Nothing is said of what was added, nor of values that the API server's defaults and plugins wrote.
 */
export function replacedValues(pod: Pod, changes: readonly Change[]): string[] {
  const isPlugins = writtenByPlugins(pod)
  return changes
    .filter((change) => change.was !== unset && !isDefault(change) && !isPlugins(change))
    .map((change) => `${describeChange(change)}${asksForRoot(change) ? rootNote : ''}`)
}

const unset = 'unset'

const rootNote = ' A program that needs root will fail'

function asksForRoot({ path, was }: Change): boolean {
  return was === '0' && path.endsWith('.runAsUser')
}

/** What the API server fills in where the author says nothing, by the last part of the path. */
const defaults: Readonly<Record<string, string>> = {
  terminationGracePeriodSeconds: '30',
  timeoutSeconds: '1',
  periodSeconds: '10',
  successThreshold: '1',
  failureThreshold: '3',
  scheme: '"HTTP"',
  serviceAccountName: '"default"',
}

function isDefault({ path, was }: Change): boolean {
  const field = path.slice(path.lastIndexOf('.') + 1)
  return Object.hasOwn(defaults, field) && defaults[field] === was
}

/** Fields that a plugin works out from another field, which has a warning of its own; and Greenroom's own notes. */
const derived = /^spec\.(serviceAccount|overhead|priority|preemptionPolicy)(\.|\[|$)|^metadata\.annotations\b/

function writtenByPlugins(pod: Pod): (change: Change) => boolean {
  const isLimitRangers = limitRangerDefaults(pod.metadata)
  const containers = containersOf(pod)
  return ({ path }) => {
    if (derived.test(path) || path.includes(`[${tokenVolumePrefix}`)) return true
    if (path === 'spec.priorityClassName') return !isSentByAuthor(pod, 'f:priorityClassName')
    const [, list, key, field, resource] =
      /^spec\.(containers|initContainers)(?:\.|\[)([^\].]+)\]?\.resources\.(request|limit)s(?:\.|\[)([^\]]+)\]?$/.exec(
        path,
      ) ?? []
    if (list === undefined || (field !== 'request' && field !== 'limit') || resource === undefined)
      return false
    const kind = list === 'containers' ? 'main' : 'init'
    const found = containers.find((placed) => placed.kind === kind && placed.container.name === key)
    if (!found) return false
    const { requests, limits } = found.container.resources ?? {}
    return (
      isLimitRangers({ kind, name: found.container.name }, field, resource) ||
      // Kubernetes makes the limit the request where the author gives none.
      (field === 'request' && sameQuantity(requests?.[resource], limits?.[resource]))
    )
  }
}

/**
 * False if the plugin that knows the cluster's default class wrote it: what the client sent stands in managedFields
 * before plugins and webhooks change the pod.
 */
function isSentByAuthor({ metadata }: Pod, field: string): boolean {
  const { managedFields } = { managedFields: undefined, ...metadata } as { readonly managedFields?: unknown }
  return !Array.isArray(managedFields) || JSON.stringify(managedFields).includes(`"${field}"`)
}

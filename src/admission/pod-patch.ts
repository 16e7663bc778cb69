import jsonPatch, { type Operation } from 'fast-json-patch'
import type { Pod } from './pod.ts'

/**
 * The smallest JSON Patch that turns one into the other; empty if they are equal. Parts that both share by reference are
 * skipped without a look (managedFields, status).
 */
export function podPatch(before: Pod, after: Pod): Operation[] {
  return jsonPatch.compare(before, after)
}

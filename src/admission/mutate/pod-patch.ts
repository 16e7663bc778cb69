import type { Pod } from '../pod/pod.ts'
import { type Edit, type PatchOperation, podEdits } from './pod-edits.ts'

/** The smallest JSON Patch that turns one into the other; empty if they are equal. */
export function podPatch(before: Pod, after: Pod): PatchOperation[] {
  return patchOf(podEdits(before, after))
}

export function patchOf(edits: readonly Edit[]): PatchOperation[] {
  return edits.map(({ operation }) => operation)
}

import { annotation } from '../../domain/names.ts'
import type { Metadata } from '../pod/pod.ts'
import type { MetadataChange } from '../rules/admission-context.ts'
import type { AdmissionRequest, Answer } from './admission-review.ts'

/**
 * True for a mirror pod that its own node writes. The pod runs already, so refusing the mirror would only hide it. The
 * annotation alone proves nothing, because anybody may write it. That the user is a node does, and NodeRestriction keeps a
 * node to pods of its own.
 */
export function isMirrorPod(
  { userInfo, operation }: AdmissionRequest,
  { metadata, before }: MetadataChange,
): boolean {
  const { username = '', groups = [] } = userInfo
  if (!username.startsWith('system:node:') || !groups.includes('system:nodes')) return false
  return hasMark(metadata) && (operation === 'CREATE' || hasMark(before))
}

function hasMark(metadata: Metadata | undefined): boolean {
  return Object.hasOwn(metadata?.annotations ?? {}, annotation.mirror)
}

/** Not judged, and the audit log says so. */
export const mirrorPodRemark: Answer = { kind: 'allowed', audit: { 'mirror-pod': 'not-judged' } }

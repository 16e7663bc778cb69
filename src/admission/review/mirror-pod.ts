import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { annotation } from '../../domain/names.ts'
import { Metadata } from '../pod/pod.ts'
import type { AdmissionRequest, Answer } from './admission-review.ts'

const WithAnnotations = Type.Object({ metadata: Metadata })
type WithAnnotations = Static<typeof WithAnnotations>
const validator = Compile(WithAnnotations)

/**
 * True for a mirror pod that its own node writes. The pod runs already: refusing the mirror only hides it. The
 * annotation alone proves nothing (anybody may write it); that the user is a node does, and NodeRestriction keeps a node
 * to pods of its own.
 */
export function isMirrorPod({ operation, userInfo, object, oldObject }: AdmissionRequest): boolean {
  const { username = '', groups = [] } = userInfo
  if (!username.startsWith('system:node:') || !groups.includes('system:nodes')) return false
  return hasMark(object) && (operation === 'CREATE' || hasMark(oldObject))
}

function hasMark(object: unknown): boolean {
  return (
    validator.Check(object) &&
    Object.hasOwn((object as WithAnnotations).metadata.annotations ?? {}, annotation.mirror)
  )
}

/** Not judged, and the audit log says so. */
export const mirrorPodRemark: Answer = { kind: 'allowed', audit: { 'mirror-pod': 'not-judged' } }

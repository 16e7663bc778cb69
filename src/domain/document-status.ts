import { type Static, Type } from 'typebox'
import { orUndefined } from './or-undefined.ts'

/** How far a document in a ConfigMap has come. */
export const DocumentStatus = Type.Object({
  /** resourceVersion of the ConfigMap last seen, and of the one in force. */
  seen: orUndefined(Type.String()),
  applied: orUndefined(Type.String()),
  /** Why what was seen is not in force; undefined when it is. */
  problems: orUndefined(Type.Immutable(Type.Array(Type.String()))),
})
export type DocumentStatus = Static<typeof DocumentStatus>

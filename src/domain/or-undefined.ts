import { type Static, type TSchema, Type } from 'typebox'

/** A key that may be absent. The code may also set it to undefined, which JSON leaves out. */
export function orUndefined<T extends TSchema>(schema: T) {
  return Type.Optional(Type.Unsafe<Static<T> | undefined>(schema))
}

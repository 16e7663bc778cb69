import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { Checked } from '../../domain/checked-document.ts'
import { configMapKey } from '../../domain/names.ts'

/** The public keys with which an agent checks an assignment: the text that goes into its environment, and their ids. */
export interface AssignKeys {
  /** A JWK Set as JSON, newest key first; public by nature. */
  readonly text: string
  readonly keyIds: readonly string[]
}

export const noAssignKeys: AssignKeys = { text: '{"keys":[]}', keyIds: [] }

/** `d` is the private part of an Ed25519 key: a set that holds one must never get into a pod. */
const PublicKey = Type.Object({
  kid: Type.String({ pattern: '^[A-Za-z0-9._-]+$' }),
  d: Type.Optional(Type.Never()),
})
const KeySet = Type.Object({ keys: Type.Array(PublicKey) })
type KeySet = Static<typeof KeySet>
const keySetValidator = Compile(KeySet)

/** Reads the JWK Set; anything else counts as no keys (`noAssignKeys`), for pods must still be admitted. */
export function assignKeysFrom(text: string): AssignKeys {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return noAssignKeys
  }
  if (!keySetValidator.Check(value)) return noAssignKeys
  const { keys } = value as KeySet
  return { text, keyIds: keys.map((key) => key.kid) }
}

/** For a watch that only passes the set on; whether it holds usable keys is judged where they are used. */
export function checkAssignKeys(text: string): Checked<string> {
  try {
    JSON.parse(text)
    return { ok: true, value: text }
  } catch (error) {
    return { ok: false, problems: [`${configMapKey.assignKeys}: ${(error as Error).message}`] }
  }
}

import { readPublicKeySet } from '../../domain/assign-key-set.ts'
import type { Checked } from '../../domain/checked-document.ts'
import { readExactJson } from '../../domain/exact-json.ts'
import { configMapKey } from '../../domain/names.ts'

/** The public keys with which an agent checks an assignment: the text that goes into its environment, and their ids. */
export interface AssignKeys {
  /** A JWK Set as JSON, newest key first; public by nature. */
  readonly text: string
  readonly keyIds: readonly string[]
}

export const noAssignKeys: AssignKeys = { text: '{"keys":[]}', keyIds: [] }

/** Reads the JWK Set. A set that no agent could use counts as no keys, because pods must still be admitted. */
export function assignKeysFrom(text: string): AssignKeys {
  const reading = readPublicKeySet(text)
  return reading.ok ? { text, keyIds: reading.keys.map((key) => key.kid) } : noAssignKeys
}

/** For a watch that only passes the set on. Whether it holds usable keys is judged where they are used. */
export function checkAssignKeys(text: string): Checked<string> {
  const reading = readExactJson(text)
  // The problem quotes no value: somebody may have put a private key there.
  return reading.ok
    ? { ok: true, value: text }
    : { ok: false, problems: [`${configMapKey.assignKeys}: ${reading.problem}`] }
}

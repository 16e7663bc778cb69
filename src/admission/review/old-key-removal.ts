import { readPublicKeySet } from '../../domain/assign-key-set.ts'
import { readExactJson } from '../../domain/exact-json.ts'
import { sameValue } from '../pod/same-value.ts'

/**
 * Whether the public set `after` is `before` without some of its old keys, and nothing else: the newest stays, no key is
 * added, changed or moved. Both must be sets that agents can use.
 */
export function isOldKeyRemoval(before: string | undefined, after: string | undefined): boolean {
  if (before === undefined || after === undefined) return false
  if (!readPublicKeySet(before).ok || !readPublicKeySet(after).ok) return false
  const { keys: had, ...restBefore } = membersOf(before)
  const { keys: has, ...restAfter } = membersOf(after)
  if (!Array.isArray(had) || !Array.isArray(has) || !sameValue(restBefore, restAfter)) return false
  if (!sameValue(had[0], has[0])) return false
  let next = 0
  for (const key of had) if (next < has.length && sameValue(key, has[next])) next += 1
  return next === has.length
}

function membersOf(text: string): Readonly<Record<string, unknown>> {
  const reading = readExactJson(text)
  return reading.ok ? (reading.value as Readonly<Record<string, unknown>>) : {}
}

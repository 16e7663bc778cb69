/**
 * The steps from one pod to another. Elements of a list are known by their `name`, so that one that goes or comes is one
 * step, and no other element is written anew: patches go to the audit log, and what is not written there is not shown.
 * Parts that both share by reference are skipped without a look (managedFields, status, untouched containers).
 */

/** RFC 6902. Applied in order. */
export type PatchOperation =
  | { readonly op: 'add' | 'replace'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string }

export interface Edit {
  readonly operation: PatchOperation
  /** The way to the field; an element of a list by its name, where it has one: `spec`, `volumes`, `greenroom-tmp`. */
  readonly place: readonly string[]
  /** What stood there; undefined when nothing did. */
  readonly was: unknown
  /** What stands there then; undefined when nothing does. */
  readonly becomes: unknown
}

/** Smallest first-come list of edits; empty if both are equal. An `undefined` member is an absent one, as in JSON. */
export function podEdits(before: object, after: object): Edit[] {
  const walk: Walk = { edits: [], pointer: [], place: [] }
  compare(before, after, walk)
  return walk.edits
}

interface Walk {
  readonly edits: Edit[]
  /** The JSON Pointers of the way here, and the names on it. */
  readonly pointer: string[]
  readonly place: string[]
}

type Members = Readonly<Record<string, unknown>>

function compare(before: unknown, after: unknown, walk: Walk): void {
  if (before === after) return
  if (Array.isArray(before) && Array.isArray(after)) compareLists(before, after, walk)
  else if (isMembers(before) && isMembers(after)) compareMembers(before, after, walk)
  else note('replace', before, after, walk)
}

function compareMembers(before: Members, after: Members, walk: Walk): void {
  for (const key in before) {
    if (before[key] === after[key] || before[key] === undefined) continue
    step(walk, key, key)
    if (after[key] === undefined) note('remove', before[key], undefined, walk)
    else compare(before[key], after[key], walk)
    back(walk)
  }
  for (const key in after) {
    if (after[key] === undefined || before[key] !== undefined) continue
    step(walk, key, key)
    note('add', undefined, after[key], walk)
    back(walk)
  }
}

/**
 * Every step leaves the list right up to and with `index`, so any choice ends in the right list; the names only make the
 * choice a good one.
 */
function compareLists(before: readonly unknown[], after: readonly unknown[], walk: Walk): void {
  let from = 0
  for (let index = 0; index < after.length; index += 1) {
    const old = before[from]
    const wanted = after[index]
    if (from < before.length && old === wanted) {
      from += 1
      continue
    }
    step(walk, String(index), nameOf(wanted) ?? String(index))
    if (from < before.length && isNew(old, after, index)) {
      walk.place[walk.place.length - 1] = nameOf(old) ?? String(index)
      note('remove', old, undefined, walk)
      from += 1
      // The same place once more: what followed has moved up.
      index -= 1
    } else if (from >= before.length || isNew(wanted, before, from)) {
      note('add', undefined, wanted, walk)
    } else {
      compare(old, wanted, walk)
      from += 1
    }
    back(walk)
  }
  for (let left = before.length - 1; left >= from; left -= 1) {
    const index = String(after.length + left - from)
    step(walk, index, nameOf(before[left]) ?? index)
    note('remove', before[left], undefined, walk)
    back(walk)
  }
}

/** True for a named element whose name is not among the others from there on: it goes, or it comes. */
function isNew(element: unknown, others: readonly unknown[], from: number): boolean {
  const name = nameOf(element)
  if (name === undefined) return false
  for (let index = from; index < others.length; index += 1) if (nameOf(others[index]) === name) return false
  return true
}

export function nameOf(element: unknown): string | undefined {
  return isMembers(element) && typeof element.name === 'string' ? element.name : undefined
}

export function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function step({ pointer, place }: Walk, key: string, name: string): void {
  pointer.push(`${pointer.at(-1) ?? ''}/${escaped(key)}`)
  place.push(name)
}

function back({ pointer, place }: Walk): void {
  pointer.pop()
  place.pop()
}

function note(op: PatchOperation['op'], was: unknown, becomes: unknown, walk: Walk): void {
  const path = walk.pointer.at(-1) ?? ''
  const operation: PatchOperation = op === 'remove' ? { op, path } : { op, path, value: becomes }
  walk.edits.push({ operation, place: [...walk.place], was, becomes })
}

const special = /[~/]/

/** `~` first, or the `~` of `~1` would be escaped again. */
function escaped(segment: string): string {
  return special.test(segment) ? segment.replaceAll('~', '~0').replaceAll('/', '~1') : segment
}

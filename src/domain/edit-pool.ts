import { type Document, isMap, isScalar, type Pair, parseDocument, type Scalar, type YAMLMap } from 'yaml'
import { canonicalJson } from './canonical-json.ts'
import { checkPools } from './pool.ts'
import { readYaml } from './read-yaml.ts'

/** What can be changed of a pool without opening the document. */
export interface PoolEdit {
  readonly min?: number
  readonly max?: number
  readonly frozen?: boolean
}

export type EditedPools =
  | { readonly ok: true; readonly text: string; readonly before: PoolEdit }
  /** `invalid`: the document was so before. `refused`: the change would make it so. `by-hand`: this form is left to people. */
  | {
      readonly ok: false
      readonly why: 'invalid' | 'unknown' | 'refused' | 'by-hand'
      readonly problem: string
    }

/** A piece of the text, and what comes in its place. */
interface Splice {
  readonly from: number
  readonly to: number
  readonly text: string
}

/**
 * Changes values of one pool in the text of `pools.yaml`, and nothing else: comments, quotes and indentation stay, because
 * only the characters of a value are replaced, or a line is added. What came out is read again and compared with what was
 * meant, so an anchor that others repeat cannot change another pool.
 */
export function editPool(text: string, agentType: string, edit: PoolEdit): EditedPools {
  const checked = checkPools(text)
  if (!checked.ok) return { ok: false, why: 'invalid', problem: checked.problems.join('; ') }
  const { pools } = checked.value
  const spec = Object.hasOwn(pools, agentType) ? pools[agentType] : undefined
  if (!spec) return { ok: false, why: 'unknown', problem: `there is no pool of "${agentType.slice(0, 64)}"` }
  const changes = Object.entries(edit).filter(
    ([key, value]) => value !== undefined && spec[key as keyof PoolEdit] !== value,
  ) as [keyof PoolEdit, number | boolean][]
  const before = Object.fromEntries(Object.keys(edit).map((key) => [key, spec[key as keyof PoolEdit]]))
  const splices = splicesFor(text, agentType, changes)
  const edited = splices && spliced(text, splices)
  if (edited === undefined || !isMeant({ text, edited, agentType, changes })) {
    const problem = `the pool "${agentType}" is written with an anchor, an alias or in a form that only a person can change safely`
    return { ok: false, why: 'by-hand', problem }
  }
  const result = checkPools(edited)
  if (!result.ok) return { ok: false, why: 'refused', problem: result.problems.join('; ') }
  return { ok: true, text: edited, before }
}

/** undefined: the place of a change cannot be told. */
function splicesFor(
  text: string,
  agentType: string,
  changes: readonly (readonly [keyof PoolEdit, number | boolean])[],
): Splice[] | undefined {
  const pair = pairOf(parseDocument(text), agentType)
  const pool = pair?.value
  if (!pair || !isMap(pool)) return undefined
  const splices: Splice[] = []
  for (const [key, value] of changes) {
    const present = itemOf(pool, key)
    const splice = present ? replaced(present, value) : added(text, pair.key, pool, `${key}: ${value}`)
    if (!splice) return undefined
    splices.push(splice)
  }
  return splices
}

function pairOf(document: Document.Parsed, agentType: string): Pair<Scalar, unknown> | undefined {
  const pools: unknown = document.get('pools', true)
  return isMap(pools) ? itemOf(pools, agentType) : undefined
}

function itemOf(map: YAMLMap, name: string): Pair<Scalar, unknown> | undefined {
  return map.items.find(({ key }) => isScalar(key) && key.value === name) as Pair<Scalar, unknown> | undefined
}

function replaced({ value }: Pair<Scalar, unknown>, by: number | boolean): Splice | undefined {
  if (!isScalar(value) || !value.range) return undefined
  const [from, to] = value.range
  return { from, to, text: String(by) }
}

/** In `{ }` as the first key; else as a line below the name of the pool, above comments of what follows. */
function added(text: string, { range: key }: Scalar, pool: YAMLMap, line: string): Splice | undefined {
  if (!key || !pool.range) return undefined
  if (pool.flow) {
    const from = text.indexOf('{', pool.range[0]) + 1
    return { from, to: from, text: pool.items.length > 0 ? `${line}, ` : line }
  }
  const [first] = pool.items
  const at = isScalar(first?.key) ? first.key.range?.[0] : undefined
  if (at === undefined) return undefined
  const indent = text.slice(text.lastIndexOf('\n', at) + 1, at)
  const from = text.indexOf('\n', key[1]) + 1
  return indent.trim() === '' && from > 0 && from <= at
    ? { from, to: from, text: `${indent}${line}\n` }
    : undefined
}

function spliced(text: string, splices: readonly Splice[]): string {
  return [...splices]
    .sort((a, b) => b.from - a.from)
    .reduce((result, { from, to, text: by }) => result.slice(0, from) + by + result.slice(to), text)
}

interface Meant {
  readonly text: string
  readonly edited: string
  readonly agentType: string
  readonly changes: readonly (readonly [string, number | boolean])[]
}

/** Whether the edited text says what the text said, with these changes and no other. */
function isMeant({ text, edited, agentType, changes }: Meant): boolean {
  const old = readYaml(text)
  const fresh = readYaml(edited)
  if (!old.ok || !fresh.ok) return false
  const { pools, ...rest } = old.value as { pools: Record<string, object> }
  const pool = { ...pools[agentType], ...Object.fromEntries(changes) }
  return canonicalJson({ ...rest, pools: { ...pools, [agentType]: pool } }) === canonicalJson(fresh.value)
}

import { isMap, isScalar, type Pair, parseDocument, type Scalar, type YAMLMap } from 'yaml'

/** Keys of one pool, and what they become. */
export type PoolChange = Readonly<Partial<Record<'min' | 'max' | 'frozen', number | boolean>>>

/**
 * `pools.yaml` with some keys of one pool changed, and every other letter as it was: people keep comments in it. Undefined
 * when there is no such pool.
 */
export function editPoolsText(text: string, agentType: string, change: PoolChange): string | undefined {
  let edited = text
  for (const [key, value] of Object.entries(change)) {
    const pool = poolIn(edited, agentType)
    if (!pool) return undefined
    edited = withKey(edited, pool, key, String(value))
  }
  return edited
}

function poolIn(text: string, agentType: string): YAMLMap | undefined {
  const pool = parseDocument(text).getIn(['pools', agentType])
  return isMap(pool) ? pool : undefined
}

function withKey(text: string, pool: YAMLMap, key: string, value: string): string {
  const place = pool.items.find((item) => isScalar(item.key) && item.key.value === key)
  if (place && isScalar(place.value) && place.value.range) {
    const [begin, end] = place.value.range
    return text.slice(0, begin) + value + text.slice(end)
  }
  const first = pool.items[0]
  const begin = first && startOf(first)
  // `pool: {}`, which is no valid pool, has no place for a key.
  if (begin === undefined) return text
  if (pool.flow === true) return `${text.slice(0, begin)}${key}: ${value}, ${text.slice(begin)}`
  const indent = text.slice(text.lastIndexOf('\n', begin - 1) + 1, begin)
  return `${text.slice(0, begin)}${key}: ${value}\n${indent}${text.slice(begin)}`
}

function startOf({ key }: Pair): number | undefined {
  return isScalar(key) ? (key as Scalar).range?.[0] : undefined
}

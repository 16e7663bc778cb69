/**
 * The same function, computed once for each object. For pure functions of what all reviews share and nobody changes: a
 * policy document, a row, a list of a row. The result lives as long as its object.
 */
export function oncePer<Key extends object, Value>(compute: (key: Key) => Value): (key: Key) => Value {
  const known = new WeakMap<Key, { readonly value: Value }>()
  return (key) => {
    const found = known.get(key)
    if (found) return found.value
    const value = compute(key)
    known.set(key, { value })
    return value
  }
}

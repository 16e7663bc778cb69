/** A row that stays the same element while its item changes, so that focus and selection stay too. */
export interface KeyedRow<T> {
  readonly node: HTMLElement
  readonly show: (item: T) => void
}

export interface KeyedList<T> {
  show(items: readonly T[]): void
}

/** The items as children of `parent`, each made once and changed in place. */
export function createKeyedList<T>(
  parent: HTMLElement,
  { keyOf, make }: { readonly keyOf: (item: T) => string; readonly make: (item: T) => KeyedRow<T> },
): KeyedList<T> {
  let rows = new Map<string, KeyedRow<T>>()
  return {
    show(items) {
      const next = new Map<string, KeyedRow<T>>()
      for (const item of items) {
        const key = keyOf(item)
        if (next.has(key)) continue
        const row = rows.get(key) ?? make(item)
        row.show(item)
        next.set(key, row)
      }
      for (const [key, { node }] of rows) if (!next.has(key)) node.remove()
      let place = parent.firstElementChild
      for (const { node } of next.values()) {
        if (node === place) place = place.nextElementSibling
        else parent.insertBefore(node, place)
      }
      rows = next
    },
  }
}

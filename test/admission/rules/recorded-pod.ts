import type { Pod } from '../../../src/admission/pod/pod.ts'

/** What somebody does with a pod, by place: `spec/volumes/data/emptyDir`, elements of lists by name where they have one. */
export interface Reads {
  readonly fields: Map<string, readonly string[]>
  /** The names of elements of lists: they say which element it is. */
  readonly names: Map<string, readonly string[]>
  /** Objects whose members were listed: they were read as a whole. */
  readonly wholes: Map<string, readonly string[]>
}

export interface RecordedPod {
  readonly pod: Pod
  readonly reads: Reads
}

/** The pod behind proxies that note each read. Values that JSON.stringify shows in a message count as read once. */
export function recordedPod(pod: Pod): RecordedPod {
  const reads: Reads = { fields: new Map(), names: new Map(), wholes: new Map() }
  const proxies = new WeakMap<object, object>()

  function recorded(value: unknown, place: readonly string[], isElement = false): unknown {
    if (typeof value !== 'object' || value === null) return value
    const known = proxies.get(value)
    if (known) return known
    const proxy = new Proxy(value, handlerOf(place, isElement))
    proxies.set(value, proxy)
    return proxy
  }

  function note(map: Map<string, readonly string[]>, place: readonly string[]): void {
    map.set(place.join('/'), place)
  }

  const handlerOf = (place: readonly string[], isElement: boolean): ProxyHandler<object> => ({
    get(target, key, receiver) {
      // Asked for by JSON.stringify: what it does below is not the rule's reading.
      if (key === 'toJSON') return () => target
      const value: unknown = Reflect.get(target, key, receiver)
      if (typeof key === 'symbol') return value
      if (Array.isArray(target)) {
        return /^\d+$/.test(key) ? recorded(value, [...place, nameOf(value) ?? key], true) : value
      }
      note(isElement && key === 'name' ? reads.names : reads.fields, [...place, key])
      return recorded(value, [...place, key])
    },
    has(target, key) {
      if (typeof key === 'string' && !Array.isArray(target)) note(reads.fields, [...place, key])
      return Reflect.has(target, key)
    },
    ownKeys(target) {
      note(reads.wholes, place)
      return Reflect.ownKeys(target)
    },
  })
  return { pod: recorded(pod, []) as Pod, reads }
}

function nameOf(element: unknown): string | undefined {
  const { name } = (typeof element === 'object' && element !== null ? element : {}) as { name?: unknown }
  return typeof name === 'string' ? name : undefined
}

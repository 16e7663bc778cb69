import type { ManifestObject, ManifestSet } from './manifest-set.ts'

/** A rule that the manifests keep, as a pure function: what of a set breaks it. */
export type Check = (set: ManifestSet) => string[]

/** A set in which something is broken on purpose. */
export type Breaking = (set: ManifestSet) => ManifestSet

/** Changes copies of the objects of one kind and name. Throws if there is none, for then nothing would be broken. */
export function breaking<T>(
  kind: string,
  name: string,
  change: (object: T & ManifestObject) => void,
): Breaking {
  return (set) => {
    const objects = structuredClone(set.objects)
    const found = objects.filter((object) => object.kind === kind && object.metadata.name === name)
    if (found.length === 0) throw new Error(`${set.name} has no ${kind} ${name}`)
    for (const object of found) change(object as T & ManifestObject)
    return { ...set, objects }
  }
}

/** Adds an object. */
export function adding(object: object): Breaking {
  return (set) => ({ ...set, objects: [...set.objects, object as ManifestObject] })
}

/** Takes the objects of one kind and name away. */
export function removing(kind: string, name: string): Breaking {
  return (set) => {
    const objects = set.objects.filter((object) => object.kind !== kind || object.metadata.name !== name)
    if (objects.length === set.objects.length) throw new Error(`${set.name} has no ${kind} ${name}`)
    return { ...set, objects }
  }
}

/** Changes a text in a ConfigMap's document. Throws if it is not there. */
export function rewording(name: string, key: string, from: string, to: string): Breaking {
  return breaking<{ data: Record<string, string> }>('ConfigMap', name, ({ data }) => {
    const text = data[key] ?? ''
    if (!text.includes(from)) throw new Error(`ConfigMap ${name} does not say ${from}`)
    data[key] = text.replaceAll(from, to)
  })
}

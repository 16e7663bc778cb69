import type { EnvVar } from '../pod/pod.ts'

/**
 * Kubernetes replaces `$(NAME)` in the value of a variable only by what stands before it. So what Greenroom adds comes
 * before the entries that refer to it. Entries of the author keep their order, and none is written anew: the patch would
 * hold its value, and patches go to the audit log.
 */

/**
 * Merges by name. A forced variable replaces every entry of its name, because the kubelet lets the last one win. It does so
 * in place, or at the front if an earlier entry refers to it. Of `defaults`, only what the pod leaves out comes in.
 */
export function mergedEnv(
  given: readonly EnvVar[],
  forced: readonly EnvVar[],
  defaults: readonly EnvVar[],
): EnvVar[] {
  const byName = new Map(forced.map((entry) => [entry.name, entry]))
  const late = namesUsedTooEarly(given)
  const kept = given
    .filter(({ name }) => !(byName.has(name) && late.has(name)))
    .map((entry) => byName.get(entry.name) ?? entry)
  const present = new Set(kept.map(({ name }) => name))
  const ours = forced.filter(({ name }) => !present.has(name))
  const missing = defaults.filter(({ name }) => !present.has(name) && !byName.has(name))
  return [...ours, ...withDefaults(kept, missing)]
}

/** Each default at the front, or right behind the last entry that it refers to itself. */
function withDefaults(kept: readonly EnvVar[], defaults: readonly EnvVar[]): EnvVar[] {
  if (defaults.length === 0) return [...kept]
  const front = -1
  const places = new Map(kept.map(({ name }, index) => [name, index]))
  const behind = Map.groupBy(defaults, ({ name, value }) => {
    const place = Math.max(front, ...namesIn(value).map((used) => places.get(used) ?? front))
    places.set(name, place)
    return place
  })
  const at = (index: number): readonly EnvVar[] => behind.get(index) ?? []
  return [...at(front), ...kept.flatMap((entry, index) => [entry, ...at(index)])]
}

/** Names that an entry refers to before their own first entry. */
function namesUsedTooEarly(given: readonly EnvVar[]): ReadonlySet<string> {
  const seen = new Set<string>()
  const early = new Set<string>()
  for (const { name, value } of given) {
    for (const used of namesIn(value)) if (!seen.has(used)) early.add(used)
    seen.add(name)
  }
  return early
}

/** The names in `$(NAME)`; `$$` stands for a dollar sign, so `$$(NAME)` refers to nothing. */
export function namesIn(value = ''): string[] {
  if (!value.includes('$(')) return []
  return [...value.matchAll(/\$\$|\$\(([^)]*)\)/g)].flatMap(([, name]) => name ?? [])
}

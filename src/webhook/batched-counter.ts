import type { Counter } from 'prom-client'

/**
 * Counts in plain numbers and hands them to the counter when somebody reads it: prom-client hashes labels with every
 * increment, which cost more than the rest of an answer.
 */
export interface Tally<Names extends string> {
  inc(labels: Readonly<Record<Names, string>>): void
}

export function createTally<const Names extends string>(names: readonly Names[]) {
  const pending = new Map<string, { labels: Readonly<Record<Names, string>>; count: number }>()
  return {
    inc(labels: Readonly<Record<Names, string>>): void {
      let key = ''
      for (const name of names) key += `${labels[name]}\n`
      const known = pending.get(key)
      if (known) known.count += 1
      else pending.set(key, { labels, count: 1 })
    },
    /** For the counter's `collect`. */
    flushInto(counter: Pick<Counter<Names>, 'inc'>): void {
      for (const { labels, count } of pending.values()) counter.inc(labels, count)
      pending.clear()
    },
  }
}

import { Counter, type Registry } from 'prom-client'

interface CounterConfiguration<Names extends string> {
  readonly name: string
  readonly help: string
  readonly labelNames: readonly [Names, ...Names[]]
}

interface BatchedCounter<Names extends string> {
  inc(labels: Readonly<Record<Names, string>>): void
}

/**
 * A counter that adds up increments in plain numbers and gives them to prom-client only when the registry is read.
 * prom-client hashes the labels at every increment, which cost more than the rest of an answer.
 */
export function createBatchedCounter<const Names extends string>(
  registry: Registry,
  { name, help, labelNames }: CounterConfiguration<Names>,
): BatchedCounter<Names> {
  const [first, ...others] = labelNames
  const pending = new Map<string, { labels: Readonly<Record<Names, string>>; count: number }>()
  new Counter({
    name,
    help,
    labelNames: [...labelNames],
    registers: [registry],
    collect(this: Counter<Names>) {
      for (const { labels, count } of pending.values()) this.inc(labels, count)
      pending.clear()
    },
  })
  return {
    inc(labels) {
      // Of one label the key is its value: names of rules are the same strings at each review, with their hash known.
      let key: string = labels[first]
      for (const labelName of others) key += `\n${labels[labelName]}`
      const known = pending.get(key)
      if (known) known.count += 1
      else pending.set(key, { labels, count: 1 })
    },
  }
}

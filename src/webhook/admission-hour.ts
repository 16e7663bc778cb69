import { type AdmissionRow, sumAdmissionRows } from '../domain/admission-counts.ts'

/** What one replica has counted. */
export interface AdmissionHour {
  readonly replica: string
  /** RFC 3339: an hour ago, or the start of this replica. */
  readonly since: string
  readonly rows: readonly AdmissionRow[]
}

type Outcome = 'denied' | 'changed' | 'warned'

const minuteMs = 60_000
const minutes = 60
/** Rules times namespaces in one minute. What comes beyond it counts under the namespace "…": memory is bounded by this. */
const mostRows = 1_000
const otherNamespaces = '…'

interface MinuteOfCounts {
  readonly rows: AdmissionRow[]
  /** The same by namespace and rule. */
  readonly byNamespace: Map<string, Map<string, AdmissionRow>>
}

/**
 * Denials and changes of the last hour by rule and namespace, of this replica. A review adds to the counts of its minute and
 * does nothing else; sums are made when somebody asks. `now` is epoch ms.
 */
export function createAdmissionHour(replica: string, now: () => number) {
  const startedAt = now()
  /** By minute since the epoch; at most an hour of them. */
  const counts = new Map<number, MinuteOfCounts>()

  function currentMinute(): MinuteOfCounts {
    const minute = Math.floor(now() / minuteMs)
    const known = counts.get(minute)
    if (known) return known
    forget(minute)
    const fresh: MinuteOfCounts = { rows: [], byNamespace: new Map() }
    counts.set(minute, fresh)
    return fresh
  }

  function forget(minute: number): void {
    for (const old of counts.keys()) if (old <= minute - minutes) counts.delete(old)
  }

  function rowOf(minute: MinuteOfCounts, rule: string, namespace: string): AdmissionRow {
    const { rows, byNamespace } = minute
    const known = byNamespace.get(namespace)?.get(rule)
    if (known) return known
    if (rows.length >= mostRows && namespace !== otherNamespaces) return rowOf(minute, rule, otherNamespaces)
    const row = { rule, namespace, denied: 0, changed: 0, warned: 0 }
    const ofNamespace = byNamespace.get(namespace) ?? new Map<string, AdmissionRow>()
    byNamespace.set(namespace, ofNamespace.set(rule, row))
    rows.push(row)
    return row
  }

  return {
    /** A request counts once for each of the rules, however many fields broke it. */
    note(outcome: Outcome, rules: Iterable<string>, namespace: string): void {
      const minute = currentMinute()
      for (const rule of new Set(rules)) rowOf(minute, rule, namespace)[outcome] += 1
    },
    read(): AdmissionHour {
      const at = now()
      forget(Math.floor(at / minuteMs))
      return {
        replica,
        since: new Date(Math.max(startedAt, at - minutes * minuteMs)).toISOString(),
        rows: sumAdmissionRows([...counts.values()].map(({ rows }) => rows)),
      }
    },
  }
}

export type AdmissionCounter = ReturnType<typeof createAdmissionHour>

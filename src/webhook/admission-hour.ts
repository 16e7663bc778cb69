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

/**
 * Denials and changes of the last hour by rule and namespace, of this replica. A review adds to the counts of its minute and
 * does nothing else; sums are made when somebody asks. `now` is epoch ms.
 */
export function createAdmissionHour(replica: string, now: () => number) {
  const startedAt = now()
  /** By minute since the epoch; at most an hour of them. */
  const counts = new Map<number, Map<string, AdmissionRow>>()

  function currentMinute(): Map<string, AdmissionRow> {
    const minute = Math.floor(now() / minuteMs)
    const known = counts.get(minute)
    if (known) return known
    forget(minute)
    const fresh = new Map<string, AdmissionRow>()
    counts.set(minute, fresh)
    return fresh
  }

  function forget(minute: number): void {
    for (const old of counts.keys()) if (old <= minute - minutes) counts.delete(old)
  }

  function rowOf(rows: Map<string, AdmissionRow>, rule: string, namespace: string): AdmissionRow {
    const key = `${rule}\n${namespace}`
    const known = rows.get(key)
    if (known) return known
    if (rows.size >= mostRows && namespace !== otherNamespaces) return rowOf(rows, rule, otherNamespaces)
    const row = { rule, namespace, denied: 0, changed: 0, warned: 0 }
    rows.set(key, row)
    return row
  }

  return {
    /** A request counts once for each of the rules, however many fields broke it. */
    note(outcome: Outcome, rules: Iterable<string>, namespace: string): void {
      const rows = currentMinute()
      for (const rule of new Set(rules)) rowOf(rows, rule, namespace)[outcome] += 1
    },
    read(): AdmissionHour {
      const at = now()
      forget(Math.floor(at / minuteMs))
      return {
        replica,
        since: new Date(Math.max(startedAt, at - minutes * minuteMs)).toISOString(),
        rows: sumAdmissionRows([...counts.values()].map((rows) => [...rows.values()])),
      }
    },
  }
}

export type AdmissionCounter = ReturnType<typeof createAdmissionHour>

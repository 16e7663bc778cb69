import type { DocumentStatus } from './document-status.ts'

/**
 * What only the leading controller knows. It notes it in PostgreSQL every few seconds, so that every replica can tell it
 * (docs/adr/0038-how-the-status-knows.md).
 */
export interface LeaderFindings {
  /** Running pods that the policy in force would change or deny; undefined until the first look at all of them. */
  readonly drift: { readonly change: number; readonly deny: number } | undefined
  /** Broken invariants by kind, those that are broken only. */
  readonly broken: Readonly<Record<string, number>>
  /** Absence guards that have frozen, by what they watch. */
  readonly frozen: readonly string[]
  /** Public assign keys that new pods get; 1 once no old one is needed. */
  readonly assignKeys: number
  readonly documents: { readonly pools: DocumentStatus; readonly policy: DocumentStatus }
  /** Since when each of these is so, RFC 3339; by {@link FindingKey}. */
  readonly since: Readonly<Record<string, string>>
}

export type FindingKey = 'drift' | 'broken' | 'frozen' | 'assign-keys'

/** Which of the findings are more than nothing. */
export function presentFindings(
  found: Pick<LeaderFindings, 'drift' | 'broken' | 'frozen' | 'assignKeys'>,
): readonly FindingKey[] {
  const present: Readonly<Record<FindingKey, boolean>> = {
    drift: (found.drift?.change ?? 0) + (found.drift?.deny ?? 0) > 0,
    broken: Object.keys(found.broken).length > 0,
    frozen: found.frozen.length > 0,
    'assign-keys': found.assignKeys > 1,
  }
  return (Object.keys(present) as FindingKey[]).filter((key) => present[key])
}

export interface LeaderReport {
  /** As it calls itself in the Lease. */
  readonly leader: string
  /** How long ago it was written, by PostgreSQL's clock. */
  readonly ageMs: number
  readonly findings: LeaderFindings
}

/** One row of PostgreSQL: the leader writes it, all replicas read it. */
export interface LeaderReports {
  post(leader: string, findings: LeaderFindings): Promise<void>
  /** undefined: no controller has led yet. */
  read(): Promise<LeaderReport | undefined>
}

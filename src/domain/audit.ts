import type { Caller } from './caller.ts'

export const auditActions = [
  'session.open',
  'session.renew',
  'session.end',
  'key.create',
  'key.rotate',
  'key.revoke',
  'rollout.undo',
  'rollout.pause',
  'rollout.resume',
  'pool.freeze',
  'pool.thaw',
  'pool.size',
  'pod.retire',
  'limits.set',
  'limits.remove',
  'webhook.create',
  'webhook.change',
  'webhook.delete',
] as const

export type AuditAction = (typeof auditActions)[number]

/** Which credential did it. */
export type AuditActor = Pick<Caller, 'kind' | 'id'>

/** Which credential did what. Nothing of it is secret. */
export interface AuditEntry {
  /** UUID of version 7: in order of time. */
  readonly id: string
  /** Epoch ms. */
  readonly at: number
  readonly by: AuditActor
  /** Whose session or key it was; undefined where it concerns every project. */
  readonly projectId: string | undefined
  readonly action: AuditAction
  /** The session, the key, the pool, the pod, the webhook, or the project whose limits it were. */
  readonly subject: string
  /** What was before and what is now, where that can be said in a line. */
  readonly detail?: string | undefined
}

/** Something that was done, before it has its place in the log. */
export type AuditFact = Omit<AuditEntry, 'id' | 'at'>

export interface AuditQuery {
  readonly projectId: string | undefined
  readonly limit: number
  /** Entries before this one, newest first. */
  readonly before: string | undefined
}

export interface AuditLog {
  /** An entry that is there already is passed over. */
  append(entries: readonly AuditEntry[]): Promise<void>
  list(query: AuditQuery): Promise<readonly AuditEntry[]>
  /**
   * Deletes at most `limit` of the oldest entries, those that are older and that no partition takes along (`LogPartitions`);
   * resolves with their number.
   */
  purge(options: { readonly afterMs: number; readonly limit: number }): Promise<number>
}

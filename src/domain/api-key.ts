import type { Caller, Scope } from './caller.ts'

/** An API key as people see it: nothing of it is secret. */
export interface ApiKey {
  readonly id: string
  readonly name: string
  /** undefined: good for every project. */
  readonly projectId: string | undefined
  readonly scopes: readonly Scope[]
  readonly createdAt: number
  /** Which credential made it. */
  readonly createdBy: string
  readonly rotatedAt: number | undefined
  /** Until when the secret before the rotation is taken as well. */
  readonly oldSecretUntil: number | undefined
  readonly revokedAt: number | undefined
}

/** What tells whether a secret is the key's. */
export interface KeyDigests {
  /** SHA-256. */
  readonly digest: Buffer
  /** Of the secret before a rotation, and for how long it is taken, ms; 0 or less: no longer. */
  readonly old: { readonly digest: Buffer; readonly forMs: number } | undefined
}

export interface NewApiKey extends Pick<ApiKey, 'id' | 'name' | 'projectId' | 'scopes'> {
  readonly digest: Buffer
}

/** What has changed since a revision. */
export interface KeyChanges {
  /** Counts all changes of keys. Lower than the one asked for after a backup was restored. */
  readonly revision: number
  readonly keys: readonly (ApiKey & KeyDigests)[]
}

export interface KeyQuery {
  readonly projectId: string | undefined
  readonly limit: number
  /** Keys with a greater id than this one. */
  readonly after: string | undefined
}

/** Who changes a key. For one that is bound to a project, the keys of other projects do not exist. */
export type KeyActor = Pick<Caller, 'kind' | 'id' | 'projectId'>

/**
 * API keys in PostgreSQL. Where a method takes a project, a key of another one is as one that does not exist. Each change
 * and its entry in the audit log are one statement.
 */
export interface KeyLedger {
  /** 0: all live keys. */
  changesSince(revision: number): Promise<KeyChanges>
  create(key: NewApiKey, by: KeyActor): Promise<ApiKey>
  /** The present secret becomes the old one for `keepOldMs`, and the old one ends. undefined: no such live key. */
  rotate(id: string, change: KeyRotation, by: KeyActor): Promise<ApiKey | undefined>
  /** A key that is revoked already stays as it is. */
  revoke(id: string, by: KeyActor): Promise<ApiKey | undefined>
  get(id: string, projectId: string | undefined): Promise<ApiKey | undefined>
  list(query: KeyQuery): Promise<readonly ApiKey[]>
}

export interface KeyRotation {
  readonly digest: Buffer
  readonly keepOldMs: number
}

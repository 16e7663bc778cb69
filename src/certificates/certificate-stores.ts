import type { TrustEntry } from './certificate-plan.ts'

/** The ports of the built-in certificates: where they are kept, and where they are trusted. `cluster/` implements both. */

export interface SecretContent {
  /** For compare-and-set; undefined: the Secret does not exist. */
  readonly version: string | undefined
  readonly data: Readonly<Record<string, string>>
}

/** One Secret. Every call throws when the API server does not answer or refuses. */
export interface SecretStore {
  read(): Promise<SecretContent>
  /** Replaces all data if `version` is still the current one; throws otherwise. Creates the Secret if there is none. */
  write(data: Readonly<Record<string, string>>, version: string | undefined): Promise<void>
}

/** The webhook entries through which the API server calls us. Every call throws as above. */
export interface TrustStore<Entry extends Omit<TrustEntry, 'authorities'>> {
  /** Every entry of every configuration that exists, read now, not from a cache. */
  read(): Promise<readonly Entry[]>
  /** Sets the caBundle (PEM) of all these entries; throws if a configuration changed since it was read. */
  publish(entries: readonly Entry[], bundle: string): Promise<void>
}

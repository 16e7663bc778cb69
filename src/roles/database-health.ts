import type { Stores } from './stores.ts'

/**
 * Whether PostgreSQL takes this replica's note of liveness. If it does not, it takes no renewal either, so readiness and
 * leases follow one fact.
 */
export function createDatabaseHealth({ liveness }: Pick<Stores, 'liveness'>, instance: string) {
  let there = true
  return {
    isThere: () => there,
    /** Rejects when the store does, so that the loop counts and logs the error. */
    async look(): Promise<void> {
      // Only an answer changes what readiness shows: a slow look must not make every replica unready.
      there = await liveness.note(instance).then(
        () => true,
        (error: unknown) => {
          there = false
          throw error
        },
      )
    },
  }
}

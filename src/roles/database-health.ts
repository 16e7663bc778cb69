import type { connectStores } from './stores.ts'

type Stores = Pick<Awaited<ReturnType<typeof connectStores>>, 'liveness'>

/**
 * Whether PostgreSQL takes this replica's sign of life. What cannot be noted cannot be renewed either: readiness and
 * leases share one fact.
 */
export function createDatabaseHealth({ liveness }: Stores, instance: string) {
  let there = true
  return {
    isThere: () => there,
    /** Rejects as the store does, so that its loop counts and logs it. */
    async look(): Promise<void> {
      // Only an answer changes what readiness shows: a look under way must not turn every replica unready.
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

import { setTimeout } from 'node:timers/promises'
import { pino } from 'pino'
import type { Test } from 'tap'
import type { PodView } from '../../src/domain/cluster-ports.ts'
import type { BrokenInvariant } from '../../src/domain/invariants/broken-invariant.ts'
import { findBrokenInvariants } from '../../src/domain/invariants/find-broken-invariants.ts'
import {
  type InvariantLook,
  type InvariantSources,
  readInvariantSnapshot,
} from '../../src/domain/invariants/read-invariant-snapshot.ts'
import { openInvariantSources } from '../../src/roles/invariant-sources.ts'
import { settledLimits } from './settled-limits.ts'

/** What every fault test asserts last: after healing, Kubernetes, PostgreSQL and Redis agree (issue 4, item 10). */

/** A bed (`startBed`) fits as it is. Pods come from the API server, or from `pods` where there is none. */
type InvariantTarget = {
  readonly databaseUrl: string
  readonly namespace?: string
} & ({ readonly redisUrl: string } | { readonly redis: { readonly url: string } }) &
  (
    | { readonly kubeconfigPath: string }
    | { readonly plane: { readonly kubeconfigPath: string } }
    | { readonly pods: Pick<PodView, 'all'> }
  )

interface AssertOptions {
  /**
   * How long things may take to heal, ms. The slowest bound is that of a pod that will not go: ENDED after 45 s, removed
   * within 60 s.
   */
  readonly withinMs?: number
  /** After an outage of renewals: a lease may run on for the length of a lease. */
  readonly leaseGraceMs?: number
}

const lookEveryMs = 200

/**
 * Looks until nothing is wrong or under way: no broken invariant, no ENDING session, no retired or claimed pod left over.
 * Sessions that are ACTIVE or PENDING within their lease may stay. Fails `t` with what is left when time is up.
 */
export async function assertInvariants(
  t: Test,
  target: InvariantTarget,
  { withinMs = 75_000, leaseGraceMs = settledLimits.leaseGraceMs }: AssertOptions = {},
): Promise<void> {
  const { sources, close } = await sourcesOf(target)
  try {
    const deadline = performance.now() + withinMs
    for (;;) {
      const look = await readInvariantSnapshot(sources, Date.now())
      const left = findBrokenInvariants(look.snapshot, { ...settledLimits, leaseGraceMs })
      if (left.length === 0 && look.unread.length === 0) {
        t.pass('the invariants hold')
        return
      }
      if (performance.now() > deadline) {
        t.fail(`the invariants do not hold after ${withinMs} ms`, { left: inWords(look, left) })
        return
      }
      await setTimeout(lookEveryMs)
    }
  } finally {
    await close()
  }
}

/** The broken invariants at this moment, however young; for tests that plant one or count them in the middle of a storm. */
export async function brokenInvariantsNow(target: InvariantTarget): Promise<readonly BrokenInvariant[]> {
  const { sources, close } = await sourcesOf(target)
  try {
    const look = await readInvariantSnapshot(sources, Date.now())
    if (look.unread[0]) throw look.unread[0].error
    return findBrokenInvariants(look.snapshot, settledLimits)
  } finally {
    await close()
  }
}

async function sourcesOf(
  target: InvariantTarget,
): Promise<{ sources: InvariantSources; close: () => Promise<void> }> {
  const kubeconfigPath =
    'pods' in target ? undefined : 'plane' in target ? target.plane.kubeconfigPath : target.kubeconfigPath
  const config = {
    DATABASE_URL: target.databaseUrl,
    REDIS_URL: 'redis' in target ? target.redis.url : target.redisUrl,
    GREENROOM_NAMESPACE: target.namespace ?? 'ai-agents',
    KUBECONFIG: kubeconfigPath ?? '/nowhere',
  }
  const { sources, close } = await openInvariantSources(config, pino({ level: 'silent' }))
  if (!('pods' in target)) return { sources, close }
  return { sources: { ...sources, pods: async () => target.pods.all() }, close }
}

function inWords({ unread }: InvariantLook, left: readonly BrokenInvariant[]): readonly string[] {
  return [
    ...left.map(({ kind, subject, detail }) => `${kind} ${subject}: ${detail}`),
    ...unread.map(({ store, error }) => `${store} was not read: ${String(error)}`),
  ]
}

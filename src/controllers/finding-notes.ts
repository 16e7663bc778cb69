import type { DocumentStatus } from '../domain/document-status.ts'
import {
  type FindingKey,
  type LeaderFindings,
  type LeaderReports,
  presentFindings,
} from '../domain/leader-findings.ts'
import type { Logger } from '../logging.ts'
import type { Metrics } from '../metrics.ts'
import { every } from '../timing/every.ts'

interface FindingNotesDeps {
  readonly reports: LeaderReports
  /** As this process calls itself in the Lease. */
  readonly leader: string
  readonly documents: () => { readonly pools: DocumentStatus; readonly policy: DocumentStatus }
  readonly metrics: Metrics
  readonly logger: Logger
  /** Epoch ms. */
  readonly now: () => number
}

/** A page that is open shows a change of leader within ten seconds, and a row is written 17,000 times a day. */
const noteEveryMs = 5_000

interface Measured {
  get(): Promise<{
    readonly values: readonly {
      readonly value: number
      readonly labels: Readonly<Record<string, string | number | undefined>>
    }[]
  }>
}

/**
 * Notes what only the leader knows where every replica can read it. It reads the gauges that the leader's watches set, so
 * that the status and an alert cannot say different things.
 */
export function createFindingNotes({ reports, leader, documents, metrics, logger, now }: FindingNotesDeps) {
  let since: LeaderFindings['since'] | undefined

  /** One note. Throws when PostgreSQL does not take it. */
  async function note(): Promise<void> {
    // A leader that takes over goes on with the times that the one before had noted.
    since ??= (await reports.read())?.findings.since ?? {}
    const [drift, broken, frozen, keys] = await Promise.all([
      valuesOf(metrics.admissionDrift, 'decision'),
      valuesOf(metrics.invariantViolations, 'kind'),
      valuesOf(metrics.absenceFrozen, 'what'),
      metrics.assignKeys.get(),
    ])
    const found = {
      drift:
        drift.size === 0 ? undefined : { change: drift.get('change') ?? 0, deny: drift.get('deny') ?? 0 },
      broken: Object.fromEntries([...broken].filter(([, count]) => count > 0)),
      frozen: [...frozen].filter(([, on]) => on > 0).map(([what]) => what),
      assignKeys: keys.values[0]?.value ?? 0,
    }
    since = sinceOf(presentFindings(found), since, new Date(now()).toISOString())
    await reports.post(leader, { ...found, documents: documents(), since })
  }

  return {
    note,
    async run(signal: AbortSignal): Promise<void> {
      since = undefined
      await every({ name: 'findings', everyMs: noteEveryMs, signal, logger, metrics }, note)
    },
  }
}

async function valuesOf(gauge: Measured, label: string): Promise<ReadonlyMap<string, number>> {
  const { values } = await gauge.get()
  return new Map(values.map(({ value, labels }) => [String(labels[label]), value]))
}

function sinceOf(
  present: readonly FindingKey[],
  before: LeaderFindings['since'],
  at: string,
): LeaderFindings['since'] {
  return Object.fromEntries(present.map((key) => [key, before[key] ?? at]))
}

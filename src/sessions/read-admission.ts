import { type AdmissionReport, type AdmissionRow, sumAdmissionRows } from '../domain/admission-counts.ts'
import type { LeaderReport } from '../domain/leader-findings.ts'
import { GreenroomError } from '../errors.ts'
import { createSharedLook } from '../timing/shared-look.ts'
import { leaderSilentMs } from './read-status.ts'

/** What one replica of the webhook answered; undefined: it did not. */
export type CountedHour = { readonly since: string; readonly rows: readonly AdmissionRow[] } | undefined

interface ReadAdmissionDeps {
  /** undefined where the webhook is not to be asked. */
  readonly askReplicas: ((signal: AbortSignal) => Promise<readonly CountedHour[]>) | undefined
  readonly readLeader: () => Promise<LeaderReport | undefined>
  /** Epoch ms. */
  readonly clock: () => number
}

const shared = { withinMs: 1_000, keptMs: 1_500 } as const

/** GET /v1/admission: what the webhook denied and changed in the last hour, and the drift that the leader found. */
export function createReadAdmission({ askReplicas, readLeader, clock }: ReadAdmissionDeps) {
  const lookAtReplicas = askReplicas && createSharedLook({ ask: askReplicas, ...shared, now: clock })
  const lookAtLeader = createSharedLook({ ask: readLeader, ...shared, now: clock })

  return async function readAdmission(): Promise<AdmissionReport> {
    if (!lookAtReplicas)
      throw new GreenroomError(
        'GRN_WEBHOOK_UNAVAILABLE',
        'The webhook is not asked: GREENROOM_WEBHOOK_OPS_URL is not set.',
      )
    const [replicas, leader] = await Promise.all([lookAtReplicas(), lookAtLeader()])
    if (replicas.kind === 'failed')
      throw new GreenroomError(
        'GRN_WEBHOOK_UNAVAILABLE',
        `The webhook cannot be asked: ${replicas.reason}.`,
        {
          retryAfterMs: shared.keptMs,
        },
      )
    const counted = replicas.value.filter((hour) => hour !== undefined)
    const report = leader.kind === 'seen' ? leader.value : undefined
    return {
      at: new Date(clock()).toISOString(),
      // RFC 3339 in UTC sorts as text.
      since: counted
        .map(({ since }) => since)
        .sort()
        .at(-1),
      replicas: { asked: replicas.value.length, answered: counted.length },
      rows: sumAdmissionRows(counted.map(({ rows }) => rows)),
      drift: report && report.ageMs < leaderSilentMs ? report.findings.drift : undefined,
    }
  }
}

export type ReadAdmission = ReturnType<typeof createReadAdmission>

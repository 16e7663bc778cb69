import { type Static, Type } from 'typebox'
import type { AuditActor } from './audit.ts'
import { Name } from './session-request.ts'

/** As in the body of an open. */
export const ProjectId = Name(200)

const most = 1_000_000

/** What a project may have at most; a limit that is left out is none. */
export const ProjectLimits = Type.Object(
  {
    maxSessions: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: most,
        description: 'Sessions that are not ENDED. One that is ENDING still holds its pod, so it counts.',
      }),
    ),
    opensPerMinute: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: most,
        description:
          'Opens that are tried in a minute, which begins with the first of them. A retry that finds its session does not count.',
      }),
    ),
    maxWaiting: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: most,
        description: 'Opens that wait for a pod at the same time (onEmpty "wait"), over all pools.',
      }),
    ),
  },
  { additionalProperties: false, minProperties: 1 },
)
export type ProjectLimits = Static<typeof ProjectLimits>

export interface LimitedProject {
  readonly projectId: string
  readonly limits: ProjectLimits
  /** Epoch ms. */
  readonly changedAt: number
  /** Sessions that are not ENDED; counted only where `maxSessions` is set. */
  readonly sessions: number | undefined
}

/** PostgreSQL for the limits of projects. */
export interface ProjectLimitStore {
  get(projectId: string): Promise<LimitedProject | undefined>
  /** In the order of project ids, after `after`. */
  list(page: {
    readonly after?: string | undefined
    readonly limit: number
  }): Promise<readonly LimitedProject[]>
  /** The limits of all projects, for the memory of a replica. */
  all(): Promise<ReadonlyMap<string, ProjectLimits>>
  /** In force for the next claim when it resolves. Sessions beyond a lowered limit stay. */
  set(projectId: string, limits: ProjectLimits, by: AuditActor): Promise<LimitedProject>
  /** False when there were none. */
  remove(projectId: string, by: AuditActor): Promise<boolean>
  /** Counts the sessions of the projects once more whose count is wrong. Resolves with their ids. */
  recount(): Promise<readonly string[]>
}

/** How a project stands with its opens in this minute. */
export interface OpenQuota {
  readonly isTaken: boolean
  readonly most: number
  readonly remaining: number
  readonly resetMs: number
}

/** Redis for the limits of projects: undefined when it does not answer, and then nobody is refused. */
export interface ProjectQuotas {
  /** Lets `count` opens through, or none of them. */
  countOpens(projectId: string, most: number, count: number): Promise<OpenQuota | undefined>
  /** False when `most` others wait already. The place is free again after `forMs` if nobody leaves it. */
  takePlace(place: WaitingPlace): Promise<boolean | undefined>
  leavePlace(projectId: string, sessionId: string): Promise<void>
}

export interface WaitingPlace {
  readonly projectId: string
  readonly sessionId: string
  readonly most: number
  readonly forMs: number
}

import { type Static, Type } from 'typebox'
import { orUndefined } from './or-undefined.ts'

export const timelineSteps = [
  'waited',
  'reserved',
  'committed',
  'delivered',
  'activated',
  'agent-joined',
  'participant-joined',
  'renewed',
  'ending',
  'ended',
] as const
type TimelineStepName = (typeof timelineSteps)[number]

const Step = Type.Unsafe<TimelineStepName>(Type.Union(timelineSteps.map((step) => Type.Literal(step))))

export const TimelineStep = Type.Object({
  step: Step,
  at: Type.String({
    format: 'date-time',
    description:
      "When it was done, by PostgreSQL's clock; before the activation, counted back from it. RFC 3339, UTC.",
  }),
  ms: orUndefined(Type.Number({ description: 'How long it took; absent where nobody measured it.' })),
  count: orUndefined(Type.Integer({ minimum: 1, description: 'Of renewals.' })),
  detail: orUndefined(Type.String()),
})
export type TimelineStep = Static<typeof TimelineStep>

export const SessionTimeline = Type.Object({ steps: Type.Array(TimelineStep) })
export type SessionTimeline = Static<typeof SessionTimeline>

/** How long the steps of an open took, ms. Steps that were tried more than once are added up. */
export interface OpenSteps {
  readonly wait?: number | undefined
  readonly reserve?: number | undefined
  readonly commit?: number | undefined
  readonly deliver?: number | undefined
}

/** What is kept of a session's course. Times are epoch ms of PostgreSQL's clock. */
export interface SessionCourse extends OpenSteps {
  /** From the pod's acknowledgement until the activation began. */
  readonly activate: number | undefined
  readonly createdAt: number
  /** When the activation was written; for a session that ended before that, its `activeAt`. */
  readonly activeAt: number | undefined
  readonly agentJoinedAt: number | undefined
  readonly participantJoinedAt: number | undefined
  readonly renewals: number
  readonly renewedAt: number | undefined
  readonly endingAt: number | undefined
  readonly endedAt: number | undefined
  readonly endReason: string | undefined
  readonly endDetail: string | undefined
}

/** PostgreSQL for timelines. A session of another project than `projectId` is not there. */
export interface TimelineReader {
  course(id: string, projectId: string | undefined): Promise<SessionCourse | undefined>
}

/** The steps in the order of their times, which are those of one clock. */
export function timelineOf(course: SessionCourse): SessionTimeline {
  const { activeAt, endingAt, endedAt, endReason, endDetail } = course
  const joined = (at: number | undefined): number | undefined => at && activeAt && Math.max(0, at - activeAt)
  const reason = [endReason, endDetail].filter((part) => part !== undefined).join(': ')
  const steps: (TimelineStep | undefined)[] = [
    ...openSteps(course),
    stepAt('agent-joined', course.agentJoinedAt, { ms: joined(course.agentJoinedAt) }),
    stepAt('participant-joined', course.participantJoinedAt, { ms: joined(course.participantJoinedAt) }),
    course.renewals > 0 ? stepAt('renewed', course.renewedAt, { count: course.renewals }) : undefined,
    stepAt('ending', endingAt, { detail: reason || undefined }),
    stepAt('ended', endedAt, {
      ms: endedAt && endingAt && Math.max(0, endedAt - endingAt),
      detail: reason || undefined,
    }),
  ]
  return {
    steps: steps
      .filter((step) => step !== undefined)
      .sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0)),
  }
}

/** Counted back from the activation: a session that waited for its pod, or whose first pod failed, was created long before. */
function openSteps({ wait, reserve, commit, deliver, activate, createdAt, activeAt }: SessionCourse) {
  if (activeAt === undefined) return [stepAt('committed', createdAt)]
  const deliveredAt = activeAt - (activate ?? 0)
  const committedAt = deliveredAt - (deliver ?? 0)
  const reservedAt = committedAt - (commit ?? 0)
  return [
    wait ? stepAt('waited', reservedAt - (reserve ?? 0), { ms: wait }) : undefined,
    reserve === undefined ? undefined : stepAt('reserved', reservedAt, { ms: reserve }),
    stepAt('committed', commit === undefined ? createdAt : committedAt, { ms: commit }),
    deliver === undefined ? undefined : stepAt('delivered', deliveredAt, { ms: deliver }),
    stepAt('activated', activeAt, { ms: activate }),
  ]
}

function stepAt(
  step: TimelineStepName,
  at: number | undefined,
  { ms, ...more }: Omit<TimelineStep, 'step' | 'at'> = {},
): TimelineStep | undefined {
  if (at === undefined) return undefined
  return {
    step,
    at: new Date(at).toISOString(),
    ms: ms === undefined ? undefined : Math.round(ms * 100) / 100,
    ...more,
  }
}

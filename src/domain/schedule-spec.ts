import { type Static, Type } from 'typebox'

/** A week: a longer window is a larger `min`. */
const longestMinutes = 7 * 24 * 60
/** Fission allows 20 and OpenKruise's users write about ten; each window is looked at with each decision. */
const mostWindows = 50

const ScheduleWindow = Type.Object(
  {
    cron: Type.String({
      minLength: 1,
      maxLength: 200,
      description:
        'When the window begins: minute, hour, day of month, month, day of week. Names (MON-FRI), lists, ranges, steps, L and # are understood; seconds are not.',
    }),
    durationMinutes: Type.Integer({
      minimum: 1,
      maximum: longestMinutes,
      description:
        'How long it lasts, in real minutes: a window across a change of the clocks is not longer or shorter.',
    }),
    timeZone: Type.String({
      minLength: 1,
      maxLength: 64,
      default: 'UTC',
      description: 'IANA name, such as Europe/Berlin.',
    }),
    min: Type.Integer({
      minimum: 1,
      maximum: 100_000,
      description: 'Idle pods that are Ready from the first minute of the window to its last.',
    }),
  },
  { additionalProperties: false },
)
export type ScheduleWindow = Static<typeof ScheduleWindow>

/** `schedule` of a pool. Of windows that overlap the largest holds. */
export const ScheduleSpec = Type.Array(ScheduleWindow, {
  maxItems: mostWindows,
  description:
    'Windows that raise the number of idle pods. Pods are asked for one start-up time before a window begins, so that they are Ready then.',
})
export type ScheduleSpec = Static<typeof ScheduleSpec>

import type { SessionTimeline, TimelineStep } from '../../domain/session-timeline.ts'
import { action } from '../line/command-spec.ts'
import type { View } from '../line/print-view.ts'
import { formOptions, serverOptions, watchOptions } from '../line/shared-options.ts'
import { showView } from '../line/show-view.ts'
import { openServer } from '../reach/server-connection.ts'
import { sessionPath } from './listed-sessions.ts'

export const showTimeline = action({
  summary: 'Show how long each step of a session took, also after its end',
  arguments: [{ name: 'ID', help: 'the id of the session', kind: 'session' }],
  options: { ...formOptions, ...watchOptions, ...serverOptions },
  examples: [{ line: 'greenroom sessions timeline ID', does: 'Where the milliseconds of an open went' }],
  async run({ words: [text = ''], options }) {
    await using server = await openServer(options)
    await showView(options, async () =>
      timelineView(await server.ask<SessionTimeline>(`${sessionPath(text)}/timeline`)),
    )
  },
})

function timelineView(timeline: SessionTimeline): View<TimelineStep> {
  return {
    document: timeline,
    rows: timeline.steps,
    nameOf: ({ step }) => `step/${step}`,
    empty: 'No step is known.',
    columns: [
      { title: 'AT', of: ({ at }) => at },
      { title: 'STEP', of: ({ step }) => step },
      { title: 'MS', of: ({ ms }) => (ms === undefined ? '-' : String(ms)) },
      { title: 'COUNT', of: ({ count }) => (count === undefined ? '-' : String(count)), wide: true },
      { title: 'DETAIL', of: ({ detail }) => detail ?? '-' },
    ],
  }
}

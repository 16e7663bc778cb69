import type { SessionView } from '../client/api-types.ts'
import type { SessionTimeline } from '../domain/session-timeline.ts'
import { build, buildButton, setText } from './build-element.ts'
import type { DashboardApi } from './dashboard-api.ts'
import type { Detail } from './detail-drawer.ts'
import { createDetail, createDetailPart } from './detail-part.ts'
import { createFactList } from './fact-list.ts'
import { askFirst } from './question.ts'
import { lastedText } from './session-table.ts'
import { momentText } from './time-text.ts'
import { createTimeline } from './timeline.ts'

const readEveryMs = 5_000

interface SessionDetailOptions {
  readonly api: () => DashboardApi
  readonly mayEnd: () => boolean
  /** Something was done here that the page shows as well. */
  readonly changed: () => void
}

/** One session: its facts, the milliseconds of its steps, its metadata, and its end. */
export function createSessionDetail(id: string, options: SessionDetailOptions): Detail {
  const detail = createDetail('Session', [
    factsPart(id, options, () => {
      detail.refresh()
      options.changed()
    }),
    timelinePart(id, options),
  ])
  return detail
}

function factsPart(id: string, { api, mayEnd }: SessionDetailOptions, acted: () => void) {
  const facts = createFactList()
  const metadata = build('pre', { tabindex: '0', 'aria-label': 'Metadata' })
  const metadataPart = build('div', {}, build('h3', {}, 'Metadata'), metadata)
  const actions = build(
    'div',
    { class: 'buttons' },
    buildButton('End this session', () => askToEnd(id, api, acted), 'danger'),
  )
  metadataPart.hidden = true
  actions.hidden = true
  return createDetailPart<SessionView>({
    body: [facts.node, metadataPart, actions],
    ask: (signal) => api().ask(sessionPath(id), { signal }),
    show(session) {
      facts.show(factsOf(session))
      const text = session.metadata === undefined ? '' : JSON.stringify(session.metadata, null, 2)
      metadataPart.hidden = text === ''
      setText(metadata, text)
      actions.hidden = !mayEnd() || (session.status !== 'PENDING' && session.status !== 'ACTIVE')
    },
    everyMs: readEveryMs,
  })
}

function timelinePart(id: string, { api }: SessionDetailOptions) {
  const timeline = createTimeline()
  return createDetailPart<SessionTimeline>({
    heading: 'Timeline',
    body: [timeline.node],
    ask: (signal) => api().ask(`${sessionPath(id)}/timeline`, { signal }),
    show: ({ steps }) => timeline.show(steps),
    everyMs: readEveryMs,
  })
}

function sessionPath(id: string): string {
  return `/v1/sessions/${encodeURIComponent(id)}`
}

function askToEnd(id: string, api: () => DashboardApi, done: () => void): void {
  askFirst({
    title: 'End this session?',
    text: `Its agent is told, gets its time to finish, and its pod is deleted; a fresh one takes its place. Session ${id}.`,
    yes: 'End the session',
    danger: true,
    async act() {
      await api().ask(sessionPath(id), { method: 'DELETE' })
      done()
      return 'The session is ending.'
    },
  })
}

function factsOf(session: SessionView): readonly (readonly [string, string | undefined])[] {
  const moment = (at: string | undefined) => (at === undefined ? undefined : momentText(Date.parse(at)))
  return [
    ['Session', session.id],
    ['Status', session.status.toLowerCase()],
    ['Why it ended', session.endReason],
    ['In its own words', session.endDetail],
    ['Agent type', session.agentType],
    ['Project', session.projectId],
    ['Room', session.roomName],
    ['Pod', session.pod?.name],
    ['Address', session.pod?.ip],
    ['Epoch', String(session.epoch)],
    ['Opened', moment(session.createdAt)],
    ['Lasted', lastedText(session)],
    ['Lease until', session.status === 'ENDED' ? undefined : moment(session.lease.expiresAt)],
    ['Held by', session.lease.heldBy],
    ['Agent late', moment(session.agentOverdueAt)],
    ['Somebody joined', moment(session.participantJoinedAt)],
  ]
}

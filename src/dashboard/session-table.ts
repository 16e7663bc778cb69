import type { SessionList, SessionView } from '../client/api-types.ts'
import { build, byId, setText } from './build-element.ts'
import { createKeyedList, type KeyedRow } from './keyed-list.ts'
import { changePlace, readPlace } from './place.ts'
import { createPlaceLink } from './place-link.ts'
import type { Known } from './reading.ts'
import { isFiltered } from './session-filters.ts'
import { momentElement, showMoment, spanText } from './time-text.ts'

/** A page of sessions, newest first. Which one is in the address. */
export function createSessionTable() {
  const list = createKeyedList<SessionView>(byId('session-rows'), { keyOf: ({ id }) => id, make: makeRow })
  const older = byId('sessions-older', HTMLButtonElement)
  const newest = byId('sessions-newest', HTMLButtonElement)
  let nextCursor: string | undefined
  older.addEventListener('click', () => {
    changePlace({ cursor: nextCursor })
    byId('sessions').scrollIntoView()
  })
  newest.addEventListener('click', () => changePlace({ cursor: undefined }))
  return {
    show({ value, trouble }: Known<SessionList>) {
      const place = readPlace()
      list.show(value?.sessions ?? [])
      nextCursor = value?.nextCursor
      older.hidden = nextCursor === undefined
      newest.hidden = place.cursor === undefined
      const none = byId('no-sessions')
      none.hidden = !value || trouble !== undefined || value.sessions.length > 0
      const isPart = isFiltered(place) || place.cursor !== undefined
      setText(none, isPart ? 'No session is like that.' : 'No session was opened yet.')
    },
  }
}

function makeRow({ id }: SessionView): KeyedRow<SessionView> {
  const opened = momentElement(undefined)
  const link = createPlaceLink(id, { session: id }, 'mono')
  const status = build('span', { class: 'status' })
  const [type, project, pod, lasted] = [
    cell('Agent type'),
    cell('Project'),
    cell('Pod', 'mono'),
    cell('Lasted', 'number'),
  ]
  const node = build(
    'tr',
    { role: 'row' },
    build('td', { role: 'cell', 'data-label': 'Opened' }, opened),
    build('th', { role: 'rowheader', scope: 'row' }, link),
    build('td', { role: 'cell', 'data-label': 'Status' }, status),
    type,
    project,
    pod,
    lasted,
  )
  return {
    node,
    show(session) {
      showMoment(opened, session.createdAt)
      status.dataset.status = /^(failed|pod):/.test(session.endReason ?? '') ? 'FAILED' : session.status
      setText(status, statusText(session))
      setText(type, session.agentType)
      setText(project, session.projectId ?? '')
      setText(pod, session.pod?.name ?? '')
      setText(lasted, lastedText(session))
    },
  }
}

function cell(label: string, look = ''): HTMLTableCellElement {
  return build('td', { role: 'cell', class: look, 'data-label': label })
}

/** Of an ended session its reason, which says that it has ended: `lapsed:lease`. */
export function statusText({ status, endReason }: SessionView): string {
  if (status === 'ENDED') return endReason ?? 'ended'
  return endReason === undefined ? status.toLowerCase() : `${status.toLowerCase()}, ${endReason}`
}

/** From the open until the end, or until now. */
export function lastedText({ createdAt, endedAt }: SessionView): string {
  return spanText((endedAt === undefined ? Date.now() : Date.parse(endedAt)) - Date.parse(createdAt))
}

import { build, byId, setText } from './build-element.ts'
import { createKeyedList, type KeyedRow } from './keyed-list.ts'
import type { Known } from './reading.ts'
import { momentElement, showMoment } from './time-text.ts'

/** An entry of `GET /v1/audit`. */
export interface AuditEntryView {
  readonly id: string
  readonly at: string
  readonly by: { readonly kind: string; readonly id: string }
  readonly action: string
  readonly subject: string
}

/** What credentials did last. */
export function createAuditList() {
  const list = createKeyedList<AuditEntryView>(byId('audit-rows'), { keyOf: ({ id }) => id, make: makeEntry })
  return {
    show({ value, trouble }: Known<{ readonly entries: readonly AuditEntryView[] }>) {
      list.show(value?.entries ?? [])
      byId('no-audit').hidden = !value || trouble !== undefined || value.entries.length > 0
    },
  }
}

function makeEntry(): KeyedRow<AuditEntryView> {
  const at = momentElement(undefined)
  const action = build('b')
  const subject = build('span', { class: 'mono' })
  const by = build('span', { class: 'soft' })
  const node = build('li', {}, at, build('p', {}, action, ' ', subject, ' ', by))
  return {
    node,
    show(entry) {
      showMoment(at, entry.at)
      setText(action, entry.action)
      setText(subject, entry.subject)
      setText(by, `by ${entry.by.kind} ${entry.by.id}`)
    },
  }
}

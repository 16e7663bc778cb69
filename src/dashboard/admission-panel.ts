import type { AdmissionReport, AdmissionRow } from '../domain/admission-counts.ts'
import { build, byId, setText } from './build-element.ts'
import { createKeyedList, type KeyedRow } from './keyed-list.ts'
import type { Known } from './reading.ts'
import { momentText } from './time-text.ts'

/** The most denials come first; what is further down has changed a few pods at most. */
const shownAtMost = 20

/** What the webhook denied and changed in the last hour, by rule, and what the policy would say of running pods. */
export function createAdmissionPanel() {
  const list = createKeyedList<AdmissionRow>(byId('admission-rows'), {
    keyOf: ({ rule, namespace }) => `${rule} ${namespace}`,
    make: makeRow,
  })
  return {
    show({ value, trouble }: Known<AdmissionReport>) {
      list.show(value?.rows.slice(0, shownAtMost) ?? [])
      byId('no-admission').hidden = !value || trouble !== undefined || value.rows.length > 0
      setText(byId('admission-facts'), value ? factsText(value) : '')
    },
  }
}

function makeRow(): KeyedRow<AdmissionRow> {
  const rule = build('span')
  const namespace = build('small')
  const cells = { denied: cell('Denied'), changed: cell('Changed'), warned: cell('Warned') }
  const node = build(
    'tr',
    { role: 'row' },
    build('th', { role: 'rowheader', scope: 'row' }, rule, namespace),
    ...Object.values(cells),
  )
  return {
    node,
    show(row) {
      setText(rule, row.rule)
      setText(namespace, row.namespace)
      cells.denied.classList.toggle('bad', row.denied > 0)
      for (const name of ['denied', 'changed', 'warned'] as const) setText(cells[name], String(row[name]))
    },
  }
}

function cell(label: string): HTMLTableCellElement {
  return build('td', { role: 'cell', class: 'number', 'data-label': label })
}

function factsText({ since, replicas, drift }: AdmissionReport): string {
  const { asked, answered } = replicas
  return [
    drift === undefined
      ? 'Drift is not known: no controller is known to lead.'
      : drift.change + drift.deny === 0
        ? 'No drift: every running pod is as the policy wants it.'
        : `Drift: the policy would change ${drift.change} running pods and deny ${drift.deny}.`,
    answered < asked
      ? `${answered} of ${asked} webhook replicas answered; what the others counted is missing.`
      : '',
    since === undefined ? '' : `Counted since ${momentText(Date.parse(since))}.`,
  ]
    .filter(Boolean)
    .join(' ')
}

import { build, setText } from './build-element.ts'

export type Fact = readonly [name: string, value: string | undefined]

/** Names and what they are; what is undefined is left out. */
export function createFactList() {
  const node = build('dl', { class: 'facts' })
  const rows = new Map<string, { readonly row: HTMLElement; readonly value: HTMLElement }>()
  return {
    node,
    show(facts: readonly Fact[]) {
      for (const [name, text] of facts) {
        const known = rows.get(name) ?? add(name)
        known.row.hidden = text === undefined
        setText(known.value, text ?? '')
      }
    },
  }

  function add(name: string) {
    const value = build('dd')
    const row = build('div', {}, build('dt', {}, name), value)
    node.append(row)
    const made = { row, value }
    rows.set(name, made)
    return made
  }
}

import { build, byId } from './build-element.ts'
import { changePlace, type Place } from './place.ts'

/** More than anybody reads in a list that opens below a field. */
const suggestedAtMost = 100
const filters = ['search', 'status', 'agentType', 'projectId'] as const

/** The fields above the sessions. What they say is in the address. */
export function createSessionFilters() {
  const form = byId('session-filters', HTMLFormElement)
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    const given = new FormData(form)
    const change = filters.map((name) => [name, textOf(given.get(name))])
    changePlace({ ...Object.fromEntries(change), cursor: undefined })
  })
  byId('session-status').addEventListener('change', () => form.requestSubmit())
  // The cross in a search field.
  byId('session-search').addEventListener('search', () => form.requestSubmit())
  return {
    show(place: Place) {
      for (const name of filters) {
        const field = form.elements.namedItem(name)
        if (field instanceof HTMLInputElement || field instanceof HTMLSelectElement)
          field.value = place[name] ?? ''
      }
    },
  }
}

/** Names to choose from while an agent type is typed. */
export function suggestTypes(agentTypes: readonly string[]): void {
  const list = byId('agent-types')
  const some = agentTypes.slice(0, suggestedAtMost)
  const shown = [...list.children].map((option) => option.getAttribute('value'))
  if (some.join() !== shown.join()) list.replaceChildren(...some.map((value) => build('option', { value })))
}

export function isFiltered(place: Place): boolean {
  return filters.some((name) => place[name] !== undefined)
}

function textOf(value: FormDataEntryValue | null): string | undefined {
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined
}

/** What the page shows, as its address says it: reload, the back button, and a link to a colleague lead to the same place. */
export interface Place {
  readonly status?: string | undefined
  readonly agentType?: string | undefined
  readonly projectId?: string | undefined
  readonly search?: string | undefined
  /** The page of sessions. */
  readonly cursor?: string | undefined
  /** The pool or session whose details are open. */
  readonly pool?: string | undefined
  readonly session?: string | undefined
}

const keys = ['status', 'agentType', 'projectId', 'search', 'cursor', 'pool', 'session'] as const

export function readPlace(): Place {
  const given = new URLSearchParams(location.search)
  return Object.fromEntries(keys.map((key) => [key, given.get(key) || undefined]))
}

/** Goes there, with the rest as it is; who listens to `onPlace` hears of it, as of the back button. */
export function changePlace(change: Place): void {
  const next = placeAddress(change)
  // Already there: Enter in a search field submits it twice, and the back button would stand still.
  if (next === `${location.pathname}${location.search}`) return
  history.pushState(null, '', next)
  dispatchEvent(new PopStateEvent('popstate'))
}

export function placeAddress(change: Place): string {
  const next = new URLSearchParams()
  for (const [key, value] of Object.entries({ ...readPlace(), ...change })) if (value) next.set(key, value)
  const query = next.toString()
  return `${location.pathname}${query === '' ? '' : `?${query}`}`
}

export function onPlace(go: (place: Place) => void): void {
  addEventListener('popstate', () => go(readPlace()))
}

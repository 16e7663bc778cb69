/** The element of this id, which try.html has. */
export function element<T extends HTMLElement = HTMLElement>(id: string, kind?: new () => T): T {
  const found = document.getElementById(id)
  if (!found || (kind && !(found instanceof kind))) throw new Error(`try.html lacks #${id}`)
  return found as T
}

/** What the page shows at a time. */
export type PageState = 'key' | 'setup' | 'call' | 'ended'

const parts: Readonly<Record<PageState, string>> = {
  key: 'key-form',
  setup: 'setup-form',
  call: 'call',
  ended: 'ended',
}

/** Shows one part of the page, with its heading, which a screen reader reads out. */
export function showState(state: PageState, title: string, intro = ''): void {
  document.documentElement.dataset.state = state
  for (const [name, id] of Object.entries(parts)) element(id).hidden = name !== state
  element('title').textContent = title
  element('intro').textContent = intro
}

/** For screen readers; people who see have it before their eyes. */
export function announce(text: string): void {
  element('status').textContent = text
}

export interface Notice {
  readonly title: string
  readonly text: string
  readonly action?: { readonly label: string; readonly run: () => void }
}

/** What went wrong and what to do about it; undefined takes it away. */
export function showNotice(notice: Notice | undefined): void {
  element('notice').hidden = notice === undefined
  element('notice-title').textContent = notice?.title ?? ''
  element('notice-text').textContent = notice?.text ?? ''
  const button = element('notice-action', HTMLButtonElement)
  button.hidden = notice?.action === undefined
  button.textContent = notice?.action?.label ?? ''
  button.onclick = () => {
    showNotice(undefined)
    notice?.action?.run()
  }
}

export function showFacts(
  facts: Readonly<Record<'pod' | 'ip' | 'session' | 'room', string | undefined>>,
): void {
  element('who').hidden = false
  for (const [name, value] of Object.entries(facts)) {
    const place = element('facts').querySelector(`[data-fact="${name}"]`)
    if (place) place.textContent = value ?? '–'
  }
}

/**
 * How the page makes elements. Whatever comes from the API becomes text or the value of one of these attributes, never
 * markup: a name such as `<img onerror=…>` is shown as it is written.
 */

interface ElementFacts {
  readonly class?: string
  readonly id?: string
  readonly role?: string
  readonly title?: string
  readonly for?: string
  readonly type?: string
  readonly name?: string
  readonly min?: string
  readonly max?: string
  readonly value?: string
  readonly tabindex?: string
  readonly datetime?: string
  readonly scope?: string
  readonly 'aria-label'?: string
  readonly 'aria-hidden'?: 'true'
  readonly 'aria-describedby'?: string
  readonly [data: `data-${string}`]: string
}

type Child = Node | string | undefined

export function build<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  facts: ElementFacts = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(facts)) made.setAttribute(name, value)
  made.append(...children.filter((child) => child !== undefined))
  return made
}

/** A button that does something; `class` decides how loud it is. */
export function buildButton(text: string, run: () => void, look = ''): HTMLButtonElement {
  const button = build('button', { type: 'button', class: look }, text)
  button.addEventListener('click', run)
  return button
}

/** The element of this id, which dashboard.html has. */
export function byId<T extends HTMLElement = HTMLElement>(id: string, kind?: new () => T): T {
  const found = document.getElementById(id)
  if (!found || (kind && !(found instanceof kind))) throw new Error(`dashboard.html lacks #${id}`)
  return found as T
}

/** Writes only what has changed: a selection and a screen reader stay where they are. */
export function setText(node: Node, text: string): void {
  if (node.textContent !== text) node.textContent = text
}

/** For screen readers; people who see have it before their eyes. */
export function announce(text: string): void {
  byId('announcement').textContent = text
}

import { announce, build, buildButton, byId } from './build-element.ts'
import { sentenceOf } from './dashboard-api.ts'

export interface Question {
  readonly title: string
  /** What will happen, in a sentence or two. */
  readonly text: string
  /** Fields or a diff, between the text and the buttons. */
  readonly body?: HTMLElement
  readonly yes: string
  readonly danger?: boolean
  /** Does it; an error is shown in the dialog, which stays open. Its answer is announced, or is the next question. */
  readonly act: () => Promise<string | Question>
}

/** Asks before something is done. Escape and the other button do nothing; the focus goes back to where it was. */
export function askFirst({ title, text, body, yes, danger = false, act }: Question): void {
  const dialog = byId('question', HTMLDialogElement)
  const trouble = build('p', { class: 'warning', role: 'alert' })
  trouble.hidden = true
  const go = build('button', { type: 'submit', class: danger ? 'primary danger' : 'primary' }, yes)
  const no = buildButton('Cancel', () => dialog.close())
  const form = build(
    'form',
    {},
    build('h2', { id: 'question-title' }, title),
    build('p', {}, text),
    body,
    trouble,
    build('div', { class: 'buttons' }, no, go),
  )
  async function run(): Promise<void> {
    go.disabled = true
    trouble.hidden = true
    try {
      const done = await act()
      dialog.close()
      if (typeof done === 'string') announce(done)
      else askFirst(done)
    } catch (error) {
      trouble.textContent = sentenceOf(error)
      trouble.hidden = false
    } finally {
      go.disabled = false
    }
  }
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    void run()
  })
  dialog.replaceChildren(form)
  dialog.showModal()
  // The harmless one: a key pressed by mistake ends nothing.
  ;(body?.querySelector('input') ?? no).focus()
}

import { build, buildButton, byId } from './build-element.ts'
import { changePlace, type Place } from './place.ts'

/** What the drawer shows of one pool or session. */
export interface Detail {
  readonly title: string
  readonly body: HTMLElement
  start(): void
  /** Something has changed that may concern it. */
  refresh(): void
  stop(): void
}

interface DrawerOptions {
  readonly poolDetail: (agentType: string) => Detail
  readonly sessionDetail: (id: string) => Detail
}

/** Details beside the page. They are in the address: closing them, the back button and Escape lead back to the page. */
export function createDetailDrawer({ poolDetail, sessionDetail }: DrawerOptions) {
  const dialog = byId('detail', HTMLDialogElement)
  let open: { readonly key: string; readonly detail: Detail } | undefined

  function close(): void {
    open?.detail.stop()
    open = undefined
    dialog.close()
  }

  dialog.addEventListener('close', () => {
    if (open) changePlace({ pool: undefined, session: undefined })
  })
  dialog.addEventListener('click', (event) => {
    // Beside it: the click meets the dialog itself, for what is in it covers all of it.
    if (event.target === dialog) dialog.close()
  })

  return {
    show({ pool, session }: Place) {
      const key =
        session !== undefined ? `session ${session}` : pool !== undefined ? `pool ${pool}` : undefined
      if (key === open?.key) return
      close()
      if (key === undefined) return
      const detail = session !== undefined ? sessionDetail(session) : poolDetail(pool ?? '')
      open = { key, detail }
      const title = build('h2', { id: 'detail-title', tabindex: '-1' }, detail.title)
      const leave = buildButton('Close', () => dialog.close(), 'small')
      dialog.replaceChildren(
        build(
          'div',
          { class: 'drawer-body' },
          build('div', { class: 'title-row' }, title, leave),
          detail.body,
        ),
      )
      dialog.showModal()
      title.focus()
      detail.start()
    },
    refresh: () => open?.detail.refresh(),
    /** A new sign-in: reads again what is open. */
    restart: () => open?.detail.start(),
    stop: () => open?.detail.stop(),
  }
}

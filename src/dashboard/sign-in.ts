import { byId } from './build-element.ts'
import { sentenceOf } from './dashboard-api.ts'

/** The same as the page at /try: who has signed in there is signed in here, in this tab. */
const storedAs = 'greenroom-api-key'

interface SignInOptions {
  /** Takes the credential into use; rejects if the server does not take it. */
  readonly onCredential: (credential: string) => Promise<void>
  /** This tab has one already. */
  readonly onStored: (credential: string) => void
}

/** A credential lives in this tab: not in the address, not in a cookie, and not in what the browser keeps. */
export function createSignIn({ onCredential, onStored }: SignInOptions) {
  const dialog = byId('sign-in', HTMLDialogElement)
  const input = byId('credential', HTMLInputElement)
  const go = byId('sign-in-go', HTMLButtonElement)

  /** Nobody has signed in: the dialog stays. */
  let isNeeded = false

  function say(why: string): void {
    const place = byId('sign-in-why')
    place.textContent = why
    place.hidden = why === ''
    input.setAttribute('aria-invalid', String(why !== ''))
  }

  /** The page below stays as it is, so nothing is lost. */
  function ask(why = ''): void {
    sessionStorage.removeItem(storedAs)
    isNeeded = true
    if (!dialog.open) dialog.showModal()
    say(why)
    input.value = ''
    input.focus()
  }

  async function signIn(credential: string): Promise<void> {
    go.disabled = true
    try {
      await onCredential(credential)
      sessionStorage.setItem(storedAs, credential)
      say('')
      isNeeded = false
      dialog.close()
    } catch (error) {
      ask(sentenceOf(error))
    } finally {
      go.disabled = false
    }
  }

  // Escape closes a dialog; there is nothing to see without a credential.
  dialog.addEventListener('close', () => {
    if (isNeeded) dialog.showModal()
  })
  byId('sign-in-form').addEventListener('submit', (event) => {
    event.preventDefault()
    const credential = input.value.trim()
    if (credential !== '') void signIn(credential)
  })

  return {
    /** With what this tab has, else by asking. */
    begin() {
      const stored = sessionStorage.getItem(storedAs)
      if (stored) onStored(stored)
      else ask()
    },
    expired: () =>
      ask('Your sign-in has expired, or its key was revoked. Sign in again; the page stays where it is.'),
    out: () => ask(),
  }
}

import { announce, build, buildButton } from './build-element.ts'

const shownMs = 2_000

/** A command as it is typed, with a button that copies it. */
export function createCommandLine() {
  const code = build('code')
  const button = buildButton('Copy', () => void copy(), 'small')
  const node = build('div', { class: 'command' }, code, button)
  let timer: ReturnType<typeof setTimeout> | undefined

  async function copy(): Promise<void> {
    const isCopied = await copied(code.textContent ?? '')
    // Without the right to copy, as on a page without TLS: marked, so that the keyboard does it.
    if (!isCopied) getSelection()?.selectAllChildren(code)
    button.textContent = isCopied ? 'Copied' : 'Press Ctrl-C'
    announce(isCopied ? 'The command is copied.' : 'The command is marked. Press Control C.')
    clearTimeout(timer)
    timer = setTimeout(() => {
      button.textContent = 'Copy'
    }, shownMs)
  }

  return {
    node,
    show(command: string) {
      if (code.textContent === command) return
      code.textContent = command
      button.setAttribute('aria-label', `Copy: ${command}`)
    },
  }
}

async function copied(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    return false
  }
}

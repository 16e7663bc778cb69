/** The whole terminal, until it is closed: another screen than the one where the shell was, without a cursor. */
export interface FullScreen extends Disposable {
  /** Aborted by q or Ctrl-C, or when the program is told to end. */
  readonly ended: AbortSignal
  /** Lines that are longer or more than there is room for are cut. */
  draw(lines: readonly string[]): void
}

const enter = '\u001b[?1049h\u001b[?25l'
const leave = '\u001b[?25h\u001b[?1049l'
const home = '\u001b[H'
const restOfLine = '\u001b[K'
const restOfScreen = '\u001b[J'
const controlC = '\u0003'

export function openFullScreen(): FullScreen {
  const { stdin, stdout } = process
  const end = new AbortController()
  const stop = () => end.abort()
  const onKey = (keys: string) => {
    if (/[qQ]/.test(keys) || keys.includes(controlC)) stop()
  }
  const restore = () => {
    stdout.write(leave)
    if (stdin.isTTY) stdin.setRawMode(false)
  }
  stdout.write(enter)
  // However the program ends, the shell gets its terminal back.
  process.once('exit', restore)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, stop)
  if (stdin.isTTY) stdin.setRawMode(true)
  stdin.setEncoding('utf8').on('data', onKey).resume()
  return {
    ended: end.signal,
    draw(lines) {
      // A terminal that does not know its size says 0.
      const [width, height] = [stdout.columns || 80, stdout.rows || 24]
      const shown = lines.slice(0, height - 1).map((line) => `${line.slice(0, width)}${restOfLine}`)
      stdout.write(`${home}${shown.join('\n')}\n${restOfScreen}`)
    },
    [Symbol.dispose]() {
      process.off('exit', restore)
      stdin.off('data', onKey).pause()
      restore()
    },
  }
}

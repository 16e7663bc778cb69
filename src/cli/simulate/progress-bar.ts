/** A line on stderr that is drawn over again; nothing where no person looks on. */
export interface ProgressBar {
  show(what: string, share: number): void
  end(): void
}

const width = 30
/** Often enough to look alive. */
const leastMsBetween = 100

export function createProgressBar(stream: NodeJS.WriteStream, now: () => number): ProgressBar {
  if (!stream.isTTY) return { show: () => undefined, end: () => undefined }
  let shownAt = Number.NEGATIVE_INFINITY
  return {
    show(what, share) {
      if (now() - shownAt < leastMsBetween) return
      shownAt = now()
      const full = Math.round(Math.min(1, share) * width)
      const bar = '#'.repeat(full).padEnd(width, '.')
      stream.write(`\r[${bar}] ${Math.floor(share * 100)} % ${what}\u001b[K`)
    },
    end: () => void stream.write('\r\u001b[K'),
  }
}

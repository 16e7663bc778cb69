/** Milliseconds in one unit of tap's `# time=`. */
const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000 }

/** A table of the files that took longest, and how long all took together, from plain TAP. */
export function slowestFiles(tap: string, count: number): string {
  const files = [...tap.matchAll(/^(?:not )?ok \d+ - (\S+) # time=([\d.]+)(ms|s|m)$/gm)]
    .map(([, file = '', time, unit = '']) => ({
      file,
      seconds: (Number(time) * (unitMs[unit] ?? 1)) / 1_000,
    }))
    .toSorted((a, b) => b.seconds - a.seconds)
  const row = (seconds: number, what: string) => `${seconds.toFixed(1).padStart(8)} s  ${what}`
  const total = files.reduce((sum, { seconds }) => sum + seconds, 0)
  return [
    ...files.slice(0, count).map(({ file, seconds }) => row(seconds, file)),
    row(total, `all ${files.length} files, one after the other`),
  ].join('\n')
}

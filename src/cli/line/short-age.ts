const units = [
  ['d', 86_400],
  ['h', 3_600],
  ['m', 60],
] as const

/** How long ago that was, in one or two units, as kubectl writes it: 42s, 5m30s, 3h, 12d. */
export function shortAge(time: string | undefined, now = Date.now()): string {
  const seconds = time === undefined ? Number.NaN : Math.max(0, Math.round((now - Date.parse(time)) / 1_000))
  if (Number.isNaN(seconds)) return '-'
  for (const [index, [unit, length]] of units.entries()) {
    if (seconds < 2 * length) continue
    const whole = Math.floor(seconds / length)
    const [smaller, smallerLength] = units[index + 1] ?? (['s', 1] as const)
    const rest = Math.floor((seconds - whole * length) / smallerLength)
    // Ten units of one kind are exact enough.
    return whole < 10 && rest > 0 ? `${whole}${unit}${rest}${smaller}` : `${whole}${unit}`
  }
  return `${seconds}s`
}

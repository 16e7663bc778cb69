export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}

/** Round numbers from 0 up to `most`, about `count` of them. */
export function niceTicks(most: number, count: number): readonly number[] {
  const rough = most / count
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough) ?? 10 * power
  const ticks: number[] = []
  for (let tick = 0; tick <= most; tick += step) ticks.push(Number(tick.toPrecision(6)))
  return ticks
}

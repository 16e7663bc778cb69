/** The way from the click to the first sound, in the order that is usual. */
export const steps = ['open', 'join', 'agent', 'echo', 'audio'] as const
export type Step = (typeof steps)[number]

export interface StepClock {
  /** Begins anew, with the click. */
  start(): void
  /** Only the first time counts. */
  mark(step: Step): void
}

/** Notes when each step was reached, counted from the click, and shows it in the list. */
export function createStepClock(list: HTMLElement): StepClock {
  const reached = new Map<Step, number>()
  let clickedAt = 0

  function show(): void {
    const longest = Math.max(1, ...reached.values())
    for (const step of steps) {
      const item = list.querySelector<HTMLElement>(`[data-step="${step}"]`)
      if (item) showStep(item, reached.get(step), { before: beforeOf(step), longest })
    }
  }

  /** The bar of a step begins where the last step before it ended. */
  function beforeOf(step: Step): number {
    const at = reached.get(step) ?? 0
    return Math.max(0, ...[...reached.values()].filter((other) => other < at))
  }

  return {
    start() {
      reached.clear()
      clickedAt = performance.now()
      show()
    },
    mark(step) {
      if (reached.has(step)) return
      reached.set(step, performance.now() - clickedAt)
      show()
    },
  }
}

function showStep(
  item: HTMLElement,
  atMs: number | undefined,
  { before, longest }: { readonly before: number; readonly longest: number },
): void {
  item.querySelectorAll('b, i').forEach((old) => old.remove())
  item.classList.toggle('done', atMs !== undefined)
  if (atMs === undefined) {
    delete item.dataset.ms
    return
  }
  item.dataset.ms = String(Math.round(atMs))
  const time = document.createElement('b')
  time.textContent = `${Math.round(atMs).toLocaleString('en')} ms`
  const bar = document.createElement('i')
  bar.style.setProperty('--from', `${(before / longest) * 100}%`)
  bar.style.setProperty('--share', `${((atMs - before) / longest) * 100}%`)
  item.append(time, bar)
}

import type { OpenAnswer } from '../sessions/open-session.ts'

/** The Server-Timing header: what each step took, of several opens the longest. */
export function serverTiming(answers: readonly Pick<OpenAnswer, 'stagesMs'>[]): string {
  const longest = new Map<string, number>()
  for (const { stagesMs } of answers)
    for (const [stage, ms] of Object.entries(stagesMs))
      longest.set(stage, Math.max(ms, longest.get(stage) ?? 0))
  return [...longest].map(([stage, ms]) => `${stage};dur=${ms.toFixed(2)}`).join(', ')
}
